//! Models, tokens and limits as the official SDKs of OpenAI and Anthropic see them.

use std::path::PathBuf;

use super::Script;
use crate::support::certificates::Authority;
use crate::support::edge::{Edge, Settings};
use crate::support::http::{Message, answer};
use crate::support::mock::Mock;
use crate::support::scratch::Scratch;
use crate::support::sse::whole;
use crate::support::upstream::Upstream;

const SECTIONS: &str = "
clients:
  mode: required
  keys:
    - {name: sdk, key: sk-of-the-sdk, plan: wide}
    - {name: trial, key: sk-of-the-trial, plan: narrow}
plans:
  wide: {tokens_per_minute: 1m}
  narrow: {tokens_per_minute: 50, models: [gpt-4.1, claude-sonnet-4.5]}
ai:
  default_model: gpt-4.1
  models:
    gpt-4.1: {input: 2.00, output: 8.00, cached_input: 0.50}
    gpt-4.1-mini: {input: 0.40, output: 1.60}
    claude-sonnet-4.5: {input: 3.00, output: 15.00}
    text-embedding-3-small: {input: 0.02, output: 0}
    whisper-1: {input: 0, output: 0}
  aliases: {fast: gpt-4.1-mini}
acls:
  elsewhere: {path_beg: [/v1/responses, /v1/audio, /v1/messages]}
frontends:
  web:
    bind: [{address: 127.0.0.1:0, tls: {certificates: [<pem>]}}]
    rules: [{use_backend: scripted, if: elsewhere}]
    default_backend: ai
backends:
  ai: {servers: {mock: {url: <mock>/v1, api_key: sk-of-mock}}}
  scripted:
    servers:
      openai: {url: <scripted>/v1, api_key: sk-of-openai, models: [gpt-4.1, gpt-4.1-mini, whisper-1]}
      anthropic:
        url: <scripted>/v1
        api_key: sk-of-anthropic
        auth: x-api-key
        models: {claude-sonnet-4.5: claude-sonnet-4-5-20250929}";

struct Site {
    edge: Edge,
    scripted: Upstream,
    _mock: Mock,
    authority: PathBuf,
}

fn site() -> Site {
    let directory = Scratch::new();
    let signer = Authority::new("sdk authority");
    let authority = signer.write(&directory, "ca.pem");
    let pem = signer.issue(&["localhost", "127.0.0.1"]).write(&directory, "localhost.pem");
    let (mock, scripted) = (Mock::start("mock"), Upstream::replying(reply));
    let values = [("pem", pem.display().to_string()), ("mock", mock.url()), ("scripted", scripted.url())];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let edge = Edge::start_with(&Settings::default(), directory, SECTIONS, &values);
    Site { edge, scripted, _mock: mock, authority }
}

impl Site {
    fn runs(&self, name: &'static str) {
        let port = self.edge.address("web").port();
        let environment = [("TIDEGATE_URL", format!("https://localhost:{port}"))];
        Script::start(name, &environment, &self.authority).succeeds();
    }
}

/// What a provider answers on the paths that the mock does not know.
fn reply(request: &Message) -> Vec<u8> {
    let json = |body: &str| answer(200, &[("content-type", "application/json")], body);
    match request.head.target() {
        "/v1/audio/transcriptions" => json(&format!(
            r#"{{"text":"{} bytes","usage":{{"type":"tokens","input_tokens":14,"output_tokens":45,"total_tokens":59}}}}"#,
            request.body.len()
        )),
        "/v1/responses" if request.json()["stream"] == true => whole(RESPONSE_EVENTS),
        "/v1/responses" => json(&RESPONSE.replace("<model>", request.json()["model"].as_str().unwrap())),
        "/v1/messages" if request.json()["stream"] == true => whole(MESSAGE_EVENTS),
        "/v1/messages" => json(&MESSAGE.replace("<model>", request.json()["model"].as_str().unwrap())),
        other => answer(
            404,
            &[("content-type", "application/json")],
            format!(r#"{{"error":{{"message":"{other}"}}}}"#),
        ),
    }
}

const RESPONSE: &str = r#"{"id":"resp_1","object":"response","created_at":1760000000,"status":"completed","error":null,"incomplete_details":null,"instructions":null,"model":"<model>","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello.","annotations":[]}]}],"parallel_tool_calls":true,"temperature":1.0,"tool_choice":"auto","tools":[],"top_p":1.0,"metadata":{},"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":16},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":40},"total_tokens":123}}"#;

const RESPONSE_EVENTS: &str = concat!(
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hello.\",\"logprobs\":[]}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1760000000,\"status\":\"completed\",\"model\":\"gpt-4.1\",\"output\":[],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":16},\"output_tokens\":87,\"output_tokens_details\":{\"reasoning_tokens\":40},\"total_tokens\":123}}}\n\n",
);

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"<model>","content":[{"type":"text","text":"Hello."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":100,"output_tokens":20}}"#;

const MESSAGE_EVENTS: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":100,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo.\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":20}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

#[test]
fn openais_sdk_sees_models_usage_and_limits() {
    let site = site();
    site.runs("openai_ai.py");
    let requests = site.scripted.requests();
    assert!(requests.iter().all(|request| request.header("authorization") == Some("Bearer sk-of-openai")));
    let upload = requests.iter().find(|request| request.head.target() == "/v1/audio/transcriptions").unwrap();
    let sent = [&b"not quite an mp3\r\n--\x00\xff"[..]; 5000].concat();
    assert!(upload.body.windows(sent.len()).any(|window| window == sent), "the file goes on as it was");
}

#[test]
fn anthropics_sdk_sees_models_usage_and_limits() {
    let site = site();
    site.runs("anthropic_ai.py");
    let requests = site.scripted.requests();
    assert!(requests.len() >= 4);
    for request in requests {
        assert_eq!(request.header("x-api-key"), Some("sk-of-anthropic"));
        assert_eq!(request.header("authorization"), None);
        assert!(request.header("anthropic-version").is_some());
        assert_eq!(request.json()["model"], "claude-sonnet-4-5-20250929");
    }
}
