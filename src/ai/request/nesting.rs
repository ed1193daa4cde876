//! Which containers of a document are open, so that brackets and braces match.

/// For each open container whether it is an object. Sixty-four of them take no memory.
#[derive(Default)]
pub struct Nesting {
    depth: usize,
    /// The innermost ones, the last in the lowest bit.
    kinds: u64,
    full: Vec<u64>,
}

impl Nesting {
    /// Takes the bytes of `block` at the places of `signs`, up to the one with which nothing is open any more, and tells
    /// its place. `None`: one of them opens and closes nothing, or does not match.
    pub fn take_all(&mut self, block: &[u8], mut signs: u64) -> Option<Option<usize>> {
        let (mut depth, mut kinds) = (self.depth, self.kinds);
        while signs != 0 {
            let at = signs.trailing_zeros() as usize;
            let byte = *block.get(at)?;
            if depth >= 64 {
                (self.depth, self.kinds) = (depth, kinds);
                if !self.take(byte) {
                    return None;
                }
                (depth, kinds) = (self.depth, self.kinds);
            } else {
                // Without a branch on what it is, which is hard to foretell.
                let (opens, closes) = (byte | 0x20 == b'{', byte | 0x20 == b'}');
                let object = u64::from(byte >> 5 & 1);
                if !(opens | (closes & (kinds & 1 == object) & (depth > 0))) {
                    return None;
                }
                kinds = if opens { kinds << 1 | object } else { kinds >> 1 };
                depth = if opens { depth + 1 } else { depth - 1 };
            }
            if depth == 0 {
                (self.depth, self.kinds) = (depth, kinds);
                return Some(Some(at));
            }
            signs &= signs - 1;
        }
        (self.depth, self.kinds) = (depth, kinds);
        Some(None)
    }

    /// Takes the next byte that opens or closes a container; whether it is one, and matches.
    pub fn take(&mut self, byte: u8) -> bool {
        match byte {
            b'{' | b'[' => {
                self.push(byte == b'{');
                true
            }
            b'}' | b']' => self.pop() == Some(byte == b'}'),
            _ => false,
        }
    }

    /// Whether nothing is open.
    pub fn is_closed(&self) -> bool {
        self.depth == 0
    }

    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.full.push(self.kinds);
        }
        self.kinds = self.kinds << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let object = self.kinds & 1 == 1;
        self.kinds >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.kinds = self.full.pop().unwrap_or_default();
        }
        Some(object)
    }
}
