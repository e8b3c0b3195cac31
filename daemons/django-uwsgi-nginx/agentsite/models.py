"""The data set's tables. The loader makes them, Django only reads them."""

from django.db import models


class Agent(models.Model):
    id = models.IntegerField(primary_key=True)
    numgroup = models.IntegerField()
    firstname = models.CharField(max_length=128)
    lastname = models.CharField(max_length=128)
    number = models.CharField(max_length=40, unique=True)
    passwd = models.CharField(max_length=128)
    # Not called "context": a query could then not give that name to the login's context.
    own_context = models.CharField(max_length=39, db_column="context")
    language = models.CharField(max_length=20)
    autologoff = models.IntegerField(null=True)
    group = models.CharField(max_length=255, null=True)
    description = models.TextField()
    preprocess_subroutine = models.CharField(max_length=40, null=True)

    class Meta:
        managed = False
        db_table = "agentfeatures"


class Login(models.Model):
    # Seen from the agent's side this relation is optional: Django joins it with LEFT OUTER JOIN.
    agent = models.OneToOneField(
        Agent,
        on_delete=models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="login",
    )
    agent_number = models.CharField(max_length=40)
    extension = models.CharField(max_length=80)
    context = models.CharField(max_length=80)
    interface = models.CharField(max_length=128, unique=True)
    state_interface = models.CharField(max_length=128)
    login_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "agent_login_status"
