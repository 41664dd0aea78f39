//! How much a pickle unfolds to, found out before it is unpickled.
//!
//! Candle's reader copies an object whenever it is remembered or recalled, and frees nested objects
//! by recursion: a few hundred bytes can ask for any amount of memory or stack. This walk keeps a
//! weight and a depth in the place of every object. Not here: what a pickle means; what is malformed
//! is left to the reader to refuse.

use std::collections::HashMap;

/// Bytes that all objects and their copies may take together. Checkpoints with the state of an
/// optimiser need some megabytes.
const MAX_WEIGHT: u64 = 256 << 20;
/// Objects inside objects; checkpoints have some ten.
const MAX_DEPTH: u32 = 100;
/// Bytes of an object besides its text.
const OBJECT: u64 = 72;

/// In the place of an object; none is a mark.
type Place = Option<(u64, u32)>;

/// # Errors
/// Says what of the limits is passed.
pub fn check(pickle: &[u8]) -> Result<(), String> {
    let mut walk = Walk { rest: pickle, stack: Vec::new(), memo: HashMap::new(), weight: 0 };
    // Where the walk cannot go on, neither can the reader.
    while let Some(step) = walk.step() {
        step?;
    }
    Ok(())
}

struct Walk<'p> {
    rest: &'p [u8],
    stack: Vec<Place>,
    memo: HashMap<u32, (u64, u32)>,
    /// Of everything made so far.
    weight: u64,
}

impl<'p> Walk<'p> {
    /// One operation; none at the end, or where the pickle is malformed.
    fn step(&mut self) -> Option<Result<(), String>> {
        let [operation] = *self.take::<1>()?;
        let limits = match operation {
            0x80 => {
                self.take::<1>()?;
                Ok(())
            }
            b'c' => {
                let text = self.line()? + self.line()?;
                self.push(text, 1)
            }
            b'K' => self.skip_and_push::<1>()?,
            b'M' => self.skip_and_push::<2>()?,
            b'J' => self.skip_and_push::<4>()?,
            b'G' => self.skip_and_push::<8>()?,
            b'X' => {
                let length = u32::from_le_bytes(*self.take::<4>()?) as usize;
                self.rest = self.rest.get(length..)?;
                self.push(length as u64, 1)
            }
            0x8a => {
                let [length] = *self.take::<1>()?;
                self.rest = self.rest.get(length as usize..)?;
                if length > 8 { Err(format!("has a number of {length} bytes")) } else { self.push(0, 1) }
            }
            0x88 | 0x89 | b'N' | b')' | b']' | b'}' => self.push(0, 1),
            b'(' => {
                self.stack.push(None);
                Ok(())
            }
            b'Q' | 0x85 => self.wrap(1)?,
            0x86 | b'R' | 0x81 | b'b' => self.wrap(2)?,
            0x87 => self.wrap(3)?,
            b't' => {
                let inside = self.pop_to_mark()?;
                self.push(inside.0, inside.1 + 1)
            }
            b'a' => {
                let inside = self.stack.pop()??;
                self.grow(inside)?
            }
            b's' => {
                let (value, key) = (self.stack.pop()??, self.stack.pop()??);
                self.grow((value.0 + key.0, value.1.max(key.1)))?
            }
            b'e' | b'u' => {
                let inside = self.pop_to_mark()?;
                self.grow(inside)?
            }
            // The reader leaves the objects where they are.
            b'd' => self.push(0, 1),
            b'h' => {
                let [id] = *self.take::<1>()?;
                self.recall(id as u32)?
            }
            b'j' => {
                let id = u32::from_le_bytes(*self.take::<4>()?);
                self.recall(id)?
            }
            b'q' => {
                let [id] = *self.take::<1>()?;
                self.remember(id as u32)?
            }
            b'r' => {
                let id = u32::from_le_bytes(*self.take::<4>()?);
                self.remember(id)?
            }
            // The end, or an operation that the reader refuses.
            _ => return None,
        };
        Some(limits)
    }

    fn take<const N: usize>(&mut self) -> Option<&'p [u8; N]> {
        let (word, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(word)
    }

    /// Length of the text to the end of the line.
    fn line(&mut self) -> Option<u64> {
        let length = self.rest.iter().position(|byte| *byte == b'\n')?;
        self.rest = &self.rest[length + 1..];
        Some(length as u64)
    }

    fn spend(&mut self, weight: u64) -> Result<(), String> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > MAX_WEIGHT { Err(format!("unfolds to more than {MAX_WEIGHT} bytes")) } else { Ok(()) }
    }

    /// A new object around others (or text) of `inside` bytes.
    fn push(&mut self, inside: u64, depth: u32) -> Result<(), String> {
        self.stack.push(Some((inside + OBJECT, depth)));
        check_depth(depth)?;
        self.spend(OBJECT)
    }

    fn skip_and_push<const N: usize>(&mut self) -> Option<Result<(), String>> {
        self.take::<N>()?;
        Some(self.push(0, 1))
    }

    /// The last `count` objects become one.
    fn wrap(&mut self, count: usize) -> Option<Result<(), String>> {
        let mut inside = (0, 0);
        for _ in 0..count {
            let object = self.stack.pop()?.unwrap_or((OBJECT, 1));
            inside = (inside.0 + object.0, inside.1.max(object.1));
        }
        Some(self.push(inside.0, inside.1 + 1))
    }

    /// Takes the objects behind the last mark, and the mark.
    fn pop_to_mark(&mut self) -> Option<(u64, u32)> {
        let mut inside = (0, 0);
        while let Some(object) = self.stack.pop()? {
            inside = (inside.0 + object.0, inside.1.max(object.1));
        }
        Some(inside)
    }

    /// Objects go into the list or dictionary that is now the last.
    fn grow(&mut self, inside: (u64, u32)) -> Option<Result<(), String>> {
        let last = self.stack.last_mut()?.as_mut()?;
        *last = (last.0 + inside.0, last.1.max(inside.1 + 1));
        Some(check_depth(last.1))
    }

    fn recall(&mut self, id: u32) -> Option<Result<(), String>> {
        let object = *self.memo.get(&id)?;
        self.stack.push(Some(object));
        Some(self.spend(object.0))
    }

    fn remember(&mut self, id: u32) -> Option<Result<(), String>> {
        let object = self.stack.last()?.unwrap_or((OBJECT, 1));
        self.memo.insert(id, object);
        Some(self.spend(object.0))
    }
}

fn check_depth(depth: u32) -> Result<(), String> {
    if depth > MAX_DEPTH { Err(format!("nests more than {MAX_DEPTH} objects")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_tuples_are_refused() {
        // Each round recalls a tuple twice and makes one of the two: 2^n objects.
        let mut pickle = b"\x80\x02)q\x00".to_vec();
        for _ in 0..16 {
            pickle.extend_from_slice(b"h\x00h\x00\x86q\x00");
        }
        assert_eq!(check(&pickle), Ok(()));
        for _ in 0..40 {
            pickle.extend_from_slice(b"h\x00h\x00\x86q\x00");
        }
        assert!(check(&pickle).unwrap_err().contains("unfolds to more than"));
    }

    #[test]
    fn deep_nesting_and_long_numbers_are_refused() {
        let nested = |depth| [b"N".as_slice(), &vec![0x85; depth], b"."].concat();
        assert_eq!(check(&nested(50)), Ok(()));
        assert!(check(&nested(1_000_000)).unwrap_err().contains("nests more than"));
        let lists = [vec![b']'; 200], vec![b'a'; 199]].concat();
        assert!(check(&lists).unwrap_err().contains("nests more than"));
        assert!(check(b"\x8a\x09123456789.").unwrap_err().contains("9 bytes"));
    }

    #[test]
    fn repeated_text_is_refused() {
        let mut pickle = b"X".to_vec();
        pickle.extend_from_slice(&1_000_000u32.to_le_bytes());
        pickle.resize(pickle.len() + 1_000_000, b'a');
        pickle.extend_from_slice(b"q\x00");
        pickle.extend_from_slice(&b"h\x00".repeat(1000));
        assert!(check(&pickle).unwrap_err().contains("unfolds to more than"));
    }
}
