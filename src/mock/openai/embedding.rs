//! Embeddings: a unit vector that depends on the text alone, as numbers or in base64 (which the SDKs ask for).

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::deliver::Answer;
use super::words::count_tokens;
use super::{Call, Problem};

const DIMENSIONS: usize = 1536;
const MAX_DIMENSIONS: usize = 3072;
const MAX_INPUTS: usize = 2048;

#[derive(Debug, Deserialize)]
struct Ask {
    model: Option<String>,
    input: Option<Value>,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
}

pub fn embeddings(call: &Call<'_>) -> Result<Answer, Problem> {
    let ask: Ask = call.parse()?;
    let model = call.model(ask.model)?;
    let wrong = |message: &str, param| Problem::bad_request(message.to_owned(), Some(param));
    let inputs = inputs(ask.input).ok_or_else(|| {
        wrong("'input' must be a text, a list of up to 2048 texts, or lists of tokens.", "input")
    })?;
    let dimensions = ask.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return Err(wrong("'dimensions' must be from 1 to 3072.", "dimensions"));
    }
    let base64 = match ask.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(wrong("'encoding_format' must be float or base64.", "encoding_format")),
    };
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(&input.text, dimensions);
        let embedding = if base64 { json!(encode(&vector)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<Value> = data.collect();
    let tokens: u64 = inputs.iter().map(|input| input.tokens).sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let body = json!({"object": "list", "data": data, "model": model, "usage": usage});
    Ok(Answer::Whole(StatusCode::OK, body))
}

struct Input {
    text: String,
    tokens: u64,
}

/// A text, a list of texts, a list of tokens, or a list of lists of tokens.
fn inputs(input: Option<Value>) -> Option<Vec<Input>> {
    let list = match input? {
        Value::Array(list) if list.first().is_some_and(Value::is_number) => vec![Value::Array(list)],
        Value::Array(list) => list,
        one => vec![one],
    };
    if list.is_empty() || list.len() > MAX_INPUTS {
        return None;
    }
    list.into_iter()
        .map(|one| match one {
            Value::String(text) if !text.is_empty() => Some(Input { tokens: count_tokens(&text), text }),
            Value::Array(tokens) if tokens.iter().all(Value::is_number) => {
                Some(Input { tokens: tokens.len() as u64, text: Value::Array(tokens).to_string() })
            }
            _ => None,
        })
        .collect()
}

/// Length one; a number for each byte of the text's digest, stretched by a counter.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let seed = Sha256::digest(text);
    let mut numbers: Vec<f32> = (0u32..)
        .flat_map(|block| {
            let digest = Sha256::new().chain_update(seed).chain_update(block.to_le_bytes()).finalize();
            <[u8; 32]>::from(digest)
        })
        .map(|byte| f32::from(byte) / 127.5 - 1.0)
        .take(dimensions)
        .collect();
    let length = numbers.iter().map(|n| n * n).sum::<f32>().sqrt();
    if length > 0.0 {
        numbers.iter_mut().for_each(|n| *n /= length);
    }
    numbers
}

/// Base64 (RFC 4648, section 4) of the numbers, each four bytes, little-endian.
fn encode(numbers: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            text.push(if place <= group.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_the_rfc_says() {
        assert_eq!(encode(&[1.0]), "AACAPw==");
        assert_eq!(encode(&[1.0, 2.0]), "AACAPwAAAEA=");
        assert_eq!(encode(&[1.0, 2.0, -1.0]), "AACAPwAAAEAAAIC/");
    }

    #[test]
    fn a_vector_has_length_one_and_depends_on_its_text() {
        let one = vector("hello", 1536);
        assert!((one.iter().map(|n| n * n).sum::<f32>() - 1.0).abs() < 1e-3);
        assert_eq!(one, vector("hello", 1536));
        assert_ne!(one, vector("hullo", 1536));
    }

    #[test]
    fn every_way_to_give_an_input_is_understood() {
        let count = |json: Value| inputs(Some(json)).map(|all| all.len());
        assert_eq!(count(json!("a")), Some(1));
        assert_eq!(count(json!(["a", "b"])), Some(2));
        assert_eq!(count(json!([1, 2, 3])), Some(1));
        assert_eq!(count(json!([[1, 2], [3]])), Some(2));
        assert_eq!(count(json!([])), None);
        assert_eq!(count(json!("")), None);
        assert_eq!(count(json!({"a": 1})), None);
    }
}
