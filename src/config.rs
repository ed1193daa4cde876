//! Floor 1: the file, from text to [`checked::Checked`].

pub mod checked;
pub mod expression;
