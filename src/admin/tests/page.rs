use super::{sample, spending};
use crate::admin::attention::{self, Severity};
use crate::admin::report::Report;
use crate::admin::stats_page;
use crate::pool::Status;

/// `TIDEGATE_PAGE=FILE cargo test` writes the page for a look at it.
#[test]
fn page_shows_everything_and_escapes_names() {
    let page = stats_page::render(&sample::report());
    for text in [
        "https",
        "primary",
        "secondary",
        "images",
        "painter",
        "by_ip",
        "connection refused",
        "tier 2 active",
        "breaker open <i>12m 34s</i><i>, 48s more</i>",
        "title=\"8 status, 3 first byte, 1 cut\">12<small>status, ...</small>",
        "<td>182 ms<small>840 ms</small></td>",
        "failover <i>tier 1 &rarr;</i> tier 2",
        "81 hedges, 42 won, 3 refused",
        "Clients <small>6 of 61: those that cost most",
        "<td class=\"full\">$0<i>/$500.00</i></td>",
        ">893,200<i>/1,000,000</i></td>",
        "<td class=\"near\">84%</td>",
        "calls are kept in /var/lib/tidegate/usage.db: 812,344 written, 3 waiting",
        "calls and event streams: 3 of 43",
        "req-4711-8f3a2c&lt;i&gt;",
        "<td>$0.0297</td>",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"));
    assert!(page.starts_with("<!doctype html>") && page.contains("fetch("));
    assert!(!page.contains("style=\""), "the policy forbids it");
    if let Ok(file) = std::env::var("TIDEGATE_PAGE") {
        std::fs::write(file, page).unwrap();
    }
}

#[test]
fn every_row_has_as_many_cells_as_its_head() {
    let page = stats_page::render(&sample::report());
    for table in page.split("<table").skip(1) {
        let table = table.split("</table>").next().unwrap();
        let rows: Vec<&str> = table.split("<tr").skip(1).collect();
        let cells = |row: &str| -> usize {
            let spans = row.split("colspan=\"").skip(1).map(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse::<usize>().unwrap() - 1
            });
            row.matches("</td>").count() + row.matches("</th>").count() + spans.sum::<usize>()
        };
        let counts: Vec<usize> = rows.iter().map(|row| cells(row)).collect();
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?} {table}");
    }
}

#[test]
fn policy_names_the_script_and_the_style() {
    let policy = stats_page::content_security_policy();
    assert_eq!(policy.matches("'sha256-").count(), 2);
    assert!(!policy.contains("unsafe"));
}

fn calm() -> Report {
    let mut report = sample::report();
    report.backends.remove(0);
    report.tables.pop();
    report.budgets.list.clear();
    for backend in &mut report.backends {
        (backend.queue, backend.queue_refusals) = (0, 0);
    }
    report
}

#[track_caller]
fn one_notice(change: impl FnOnce(&mut Report)) -> (Severity, String) {
    let mut report = calm();
    assert_eq!(attention::notices(&report), []);
    change(&mut report);
    let mut notices = attention::notices(&report);
    assert_eq!(notices.len(), 1, "{notices:?}");
    let notice = notices.remove(0);
    (notice.severity, notice.message)
}

#[test]
fn what_fails_clients_is_critical() {
    let (severity, message) = one_notice(|report| report.backends[0].up = false);
    assert_eq!((severity, message.contains("no usable server")), (Severity::Critical, true));
    let (severity, _) = one_notice(|report| report.frontends[0].status = "FULL");
    assert_eq!(severity, Severity::Critical);
    let (severity, message) = one_notice(|report| report.frontends[0].recent.responses.server_error = 1000);
    assert_eq!((severity, message.contains("40%")), (Severity::Critical, true), "{message}");
    let (severity, _) = one_notice(|report| {
        (report.backends[0].queue, report.backends[0].queue_max) = (10, 10);
    });
    assert_eq!(severity, Severity::Critical);
}

#[test]
fn what_takes_the_reserve_is_a_warning() {
    let (severity, message) = one_notice(|report| report.backends[0].active_tier = Some(2));
    assert_eq!((severity, message.contains("runs on tier 2")), (Severity::Warning, true));
    let (severity, _) = one_notice(|report| report.tables[0].full = 1);
    assert_eq!(severity, Severity::Warning);
    let (severity, _) = one_notice(|report| report.node.log_lines_dropped = 1);
    assert_eq!(severity, Severity::Warning);
}

#[test]
fn a_key_that_is_refused_is_critical_where_nothing_else_is_left_in_the_tier() {
    let (severity, message) = one_notice(|report| {
        let server = &mut report.backends[0].servers[0];
        (server.state, server.why) =
            (Status::Misconfigured, Some("status 401: it refuses our api_key".into()));
    });
    assert_eq!(severity, Severity::Critical);
    let text = "Server images/painter is asked last: status 401: it refuses our api_key. No other server of tier 1 is \
                usable. Put a good key in the file and reload.";
    assert_eq!(message, text);
    let (severity, _) = one_notice(|report| {
        let backend = &mut report.backends[0];
        backend.servers.push(backend.servers[0].clone());
        backend.servers[0].state = Status::Misconfigured;
    });
    assert_eq!(severity, Severity::Warning);
}

#[test]
fn what_keeps_a_server_out_says_why_and_for_how_long() {
    let (severity, message) = one_notice(|report| {
        let server = &mut report.backends[0].servers[0];
        (server.state, server.state_seconds, server.state_ends_seconds) =
            (Status::Cooldown, Some(8), Some(12));
        server.why = Some("status 429".into());
    });
    let text = "Server images/painter is in a cooldown for 8s, 12s more: status 429.";
    assert_eq!((severity, message.as_str()), (Severity::Warning, text));
    let (_, message) = one_notice(|report| report.backends[0].helping_tier = Some(2));
    assert!(message.contains("tier 2 helps out"), "{message}");
}

#[test]
fn a_budget_that_is_used_up_says_what_comes_of_it_and_when_it_ends() {
    let with = |scope, name, spent| {
        one_notice(|report| report.budgets.list.push(spending::budget(scope, name, "month", 100.0, spent)))
    };
    let (severity, message) = with("client", "mobile", 81.0);
    let text = "The budget of client mobile is nearly used up: $81.00 of $100.00 this month. It begins anew in 9h 13m.";
    assert_eq!((severity, message.as_str()), (Severity::Warning, text));
    let (severity, message) = with("client", "mobile", 100.0);
    let text = "The budget of client mobile is used up ($100.00 of $100.00 this month): calls get 429 \
                insufficient_quota. It begins anew in 9h 13m; to let them through before, raise it and reload.";
    assert_eq!((severity, message.as_str()), (Severity::Warning, text));
    let (severity, message) = with("all", "", 101.0);
    assert_eq!((severity, message.contains("budget of all clients is used up")), (Severity::Critical, true));
    let mut report = calm();
    let mine = |n: usize| spending::budget("client", &format!("client-{n}"), "day", 10.0, 9.0);
    report.budgets.list = (0..12).map(mine).collect();
    let notices = attention::notices(&report);
    assert_eq!(notices.len(), 6, "{notices:?}");
    assert!(notices[5].message.contains("7 more clients"));
}

#[test]
fn a_ledger_that_is_not_durable_is_a_warning() {
    let (severity, message) =
        one_notice(|report| report.ledger.as_mut().into_iter().for_each(|ledger| ledger.durable = false));
    assert_eq!((severity, message.contains("3 wait in memory")), (Severity::Warning, true), "{message}");
    let (_, message) =
        one_notice(|report| report.ledger.as_mut().into_iter().for_each(|ledger| ledger.lost = 7));
    assert!(message.contains("7 calls are in no ledger"), "{message}");
}

#[test]
fn few_requests_prove_nothing() {
    let mut report = calm();
    report.frontends[0].recent.requests = 9;
    report.frontends[0].recent.responses.server_error = 9;
    assert_eq!(attention::notices(&report), []);
}

#[test]
fn the_worst_comes_first() {
    let mut report = sample::report();
    report.backends[1].up = false;
    let notices = attention::notices(&report);
    assert!(notices.len() > 3 && notices[0].severity == Severity::Critical);
    assert!(notices.is_sorted_by_key(|notice| notice.severity));
}
