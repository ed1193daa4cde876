//! Budgets as the official SDKs see them: an exception that is not tried again, and one that is.

use std::time::Duration;

use super::Script;
use crate::support::certificates::Authority;
use crate::support::till::{Terms, Till, reply};
use crate::support::upstream::Upstream;

#[test]
fn sdks_do_not_ask_again_when_the_budget_is_used_up() {
    let one = Upstream::start(|peer| {
        while let Some(request) = peer.request() {
            if request.json()["metadata"]["slow"] == "yes" {
                peer.connection.silent_for(Duration::from_millis(700));
            }
            peer.send(reply(&request));
        }
    });
    let till =
        Till::with(&Terms { app: "", plan: ", budget: {usd: 0.001}", ai: "\n  cost_header: true" }, one);
    let authority = Authority::new("nobody").write(&till.edge.directory, "ca.pem");
    let environment = [("TIDEGATE_URL", format!("http://{}", till.edge.address("web")))];
    Script::start("budget.py", &environment, &authority).succeeds();
    let refused = till.edge.log().iter().filter(|line| line["error_code"] == "insufficient_quota").count();
    assert_eq!(refused, 3, "one line for each call that was refused: {:?}", till.edge.log());
}
