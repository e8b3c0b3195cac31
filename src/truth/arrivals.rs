//! When requests came.

use std::io::{self, Write};

/// How many are kept together, so that nothing is ever copied while load comes.
const BLOCK: usize = 65_536;

/// As many as are kept at most: half a gigabyte. More are counted, not kept.
const MOST_BLOCKS: usize = 1_024;

/// Times of arrivals in nanoseconds of `CLOCK_MONOTONIC`, in the order in which they were served.
#[derive(Debug, Default)]
pub struct Arrivals {
    blocks: Vec<Vec<u64>>,
}

impl Arrivals {
    /// One more.
    pub fn push(&mut self, ns: u64) {
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            if self.blocks.len() == MOST_BLOCKS {
                return;
            }
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(ns);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.blocks.iter().flatten().copied()
    }

    /// Eight bytes each, the least significant first.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        for block in &self.blocks {
            let bytes: Vec<u8> = block.iter().flat_map(|ns| ns.to_le_bytes()).collect();
            to.write_all(&bytes)?;
        }
        Ok(())
    }
}
