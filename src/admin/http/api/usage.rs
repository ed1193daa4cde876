//! What the ledger knows: the same report as `tidegate usage --json`.

use serde_json::json;

use super::Call;
use super::answer::Answer;
use super::problem::Problem;
use super::routes::ROWS;
use crate::admin::View;
use crate::base::clock;
use crate::ledger::query::{self, By, Question};
use crate::ledger::range::Range;

pub async fn report(call: &Call) -> Result<Answer, Problem> {
    let query = &call.query;
    let by = query::parse_by(query.text("by").unwrap_or("client,model")).map_err(|wrong| {
        let names: Vec<&str> = By::ALL.iter().map(|by| by.name()).collect();
        let shown: String = wrong.chars().take(60).collect();
        Problem::bad_request(format!("`by`: `{shown}` is none of {}", names.join(", ")))
    })?;
    let range = Range::parse(query.text("since").unwrap_or("30d"), query.text("until"), clock::unix_time())
        .map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    let most = usize::try_from(query.number("limit").unwrap_or(ROWS)).unwrap_or(usize::MAX);
    let question = Question { by, range, models: false };
    let no_ledger = || Problem::not_found("there is no ledger: `ai.ledger` is off, or no call was kept yet");
    let dir = call.view.state_dir.clone().ok_or_else(no_ledger)?;
    // A question takes a thread, and a long one the disk: what is asked meanwhile waits for its turn.
    let _turn = call.view.questions.acquire().await.map_err(|error| Problem::failed(error.to_string()))?;
    let found = View::aside(move || query::ask(&dir, &question)).await.map_err(Problem::failed)?;
    let mut report = found.map_err(|error| Problem::failed(error.to_string()))?.ok_or_else(no_ledger)?;
    let rows_in_all = report.rows.len();
    // The total was made of all of them.
    report.rows.truncate(most);
    let mut document = report.to_json(None);
    document["rows_in_all"] = json!(rows_in_all);
    document["cut"] = json!(rows_in_all > most);
    Answer::of(&document)
}
