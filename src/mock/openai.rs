//! OpenAI's API as this provider knows it: requests read, answers shaped like the real ones.
//! Source: <https://platform.openai.com/docs/api-reference>.

mod completion;
mod embedding;
mod model;
mod problem;
mod stream;
mod words;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

pub use completion::{chat, completion};
pub use embedding::embeddings;
pub use model::{Catalog, list_models, one_model};
pub use problem::Problem;

/// `created` of everything: an answer depends on nothing but its request.
const CREATED: u64 = 1_760_000_000;

/// A request to the API, its key found good.
pub struct Call<'a> {
    /// Of this provider.
    pub name: &'a str,
    pub catalog: &'a Catalog,
    pub body: &'a Bytes,
    /// Chunks with content in a stream; `None`: one a word.
    pub chunks: Option<usize>,
}

impl Call<'_> {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(self.body).map_err(|wrong| {
            let message = match wrong.classify() {
                serde_json::error::Category::Data => format!("Invalid request: {wrong}"),
                _ => format!("We could not parse the JSON body of your request: {wrong}"),
            };
            Problem::bad_request(message, None)
        })
    }

    /// The model asked for, if this provider has it.
    fn model(&self, model: Option<String>) -> Result<String, Problem> {
        let model = model.ok_or_else(|| {
            Problem::bad_request("you must provide a model parameter".into(), Some("model"))
        })?;
        if self.catalog.serves(&model) { Ok(model) } else { Err(Problem::unknown_model(&model)) }
    }

    /// An identifier that the same request gets again from the same provider.
    fn id(&self, prefix: &str) -> String {
        let digest = Sha256::new().chain_update(self.name).chain_update(self.body).finalize();
        format!("{prefix}-{}", super::journal::hex(&digest[..12]))
    }
}
