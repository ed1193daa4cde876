//! `ai` without mistakes: which models there are, what they cost, and which one a client gets. Indices are positions in
//! [`Ai::models`].

use super::{Budget, Keep};

/// By default models pass as clients name them, nothing has a price, and the ledger is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Ai {
    /// For a call without a model, and for `auto` where no task fits.
    pub default_model: Option<usize>,
    /// In the order of the file, names different from each other. Where there are some, others are unknown.
    pub models: Vec<Model>,
    /// Other names of models; none of them is a model's name.
    pub aliases: Vec<(String, usize)>,
    /// In the order of the file: the first whose keyword is found decides.
    pub tasks: Vec<Task>,
    /// Of all calls together.
    pub budget: Option<Budget>,
    /// Answers carry `x-tidegate-cost`.
    pub cost_header: bool,
    /// `None`: `ledger: off`.
    pub ledger: Option<Keep>,
}

impl Default for Ai {
    fn default() -> Ai {
        Ai {
            default_model: None,
            models: Vec::new(),
            aliases: Vec::new(),
            tasks: Vec::new(),
            budget: None,
            cost_header: false,
            ledger: Some(Keep::default()),
        }
    }
}

/// Prices are micro-dollars for a million tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    pub input: u64,
    pub output: u64,
    /// That of `input` unless the file says otherwise.
    pub cached_input: u64,
    /// What is asked instead when no server can serve it, in this order. Following them never leads back.
    pub fallback: Vec<usize>,
}

/// What a call for the model `auto` is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub name: String,
    pub model: usize,
    /// As the file has them, each with more than spaces. None: only the header `x-task` names this task.
    pub keywords: Vec<String>,
    /// Asked instead of `model`, before the model's own.
    pub fallback: Vec<usize>,
}
