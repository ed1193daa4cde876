//! `show stat` as HAProxy 2.6 prints it: the same columns in the same order, so that dashboards made for it go on
//! working. What tidegate does not know stays empty; it is never 0.

use std::borrow::Cow;
use std::fmt::Display;

macro_rules! columns {
    ($($column:ident $name:literal,)*) => {
        /// A column of `show stat`, named as HAProxy's manual (management guide, 9.1) names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Column { $($column,)* }

        const NAMES: &[&str] = &[$($name,)*];
    };
}

columns! {
    Pxname "pxname", Svname "svname", Qcur "qcur", Qmax "qmax", Scur "scur", Smax "smax", Slim "slim", Stot "stot",
    Bin "bin", Bout "bout", Dreq "dreq", Dresp "dresp", Ereq "ereq", Econ "econ", Eresp "eresp", Wretr "wretr",
    Wredis "wredis", Status "status", Weight "weight", Act "act", Bck "bck", Chkfail "chkfail", Chkdown "chkdown",
    Lastchg "lastchg", Downtime "downtime", Qlimit "qlimit", Pid "pid", Iid "iid", Sid "sid", Throttle "throttle",
    Lbtot "lbtot", Tracked "tracked", Type "type", Rate "rate", RateLim "rate_lim", RateMax "rate_max",
    CheckStatus "check_status", CheckCode "check_code", CheckDuration "check_duration", Hrsp1xx "hrsp_1xx",
    Hrsp2xx "hrsp_2xx", Hrsp3xx "hrsp_3xx", Hrsp4xx "hrsp_4xx", Hrsp5xx "hrsp_5xx", HrspOther "hrsp_other",
    Hanafail "hanafail", ReqRate "req_rate", ReqRateMax "req_rate_max", ReqTot "req_tot", CliAbrt "cli_abrt",
    SrvAbrt "srv_abrt", CompIn "comp_in", CompOut "comp_out", CompByp "comp_byp", CompRsp "comp_rsp",
    Lastsess "lastsess", LastChk "last_chk", LastAgt "last_agt", Qtime "qtime", Ctime "ctime", Rtime "rtime",
    Ttime "ttime", AgentStatus "agent_status", AgentCode "agent_code", AgentDuration "agent_duration",
    CheckDesc "check_desc", AgentDesc "agent_desc", CheckRise "check_rise", CheckFall "check_fall",
    CheckHealth "check_health", AgentRise "agent_rise", AgentFall "agent_fall", AgentHealth "agent_health",
    Addr "addr", Cookie "cookie", Mode "mode", Algo "algo", ConnRate "conn_rate", ConnRateMax "conn_rate_max",
    ConnTot "conn_tot", Intercepted "intercepted", Dcon "dcon", Dses "dses", Wrew "wrew", Connect "connect",
    Reuse "reuse", CacheLookups "cache_lookups", CacheHits "cache_hits", SrvIcur "srv_icur", SrcIlim "src_ilim",
    QtimeMax "qtime_max", CtimeMax "ctime_max", RtimeMax "rtime_max", TtimeMax "ttime_max", Eint "eint",
    IdleConnCur "idle_conn_cur", SafeConnCur "safe_conn_cur", UsedConnCur "used_conn_cur",
    NeedConnEst "need_conn_est", Uweight "uweight", AggServerStatus "agg_server_status",
    AggServerCheckStatus "agg_server_check_status", AggCheckStatus "agg_check_status", Modules "-",
    SslSess "ssl_sess", SslReusedSess "ssl_reused_sess", SslFailedHandshake "ssl_failed_handshake",
    H2HeadersRcvd "h2_headers_rcvd", H2DataRcvd "h2_data_rcvd", H2SettingsRcvd "h2_settings_rcvd",
    H2RstStreamRcvd "h2_rst_stream_rcvd", H2GoawayRcvd "h2_goaway_rcvd",
    H2DetectedConnProtocolErrors "h2_detected_conn_protocol_errors",
    H2DetectedStrmProtocolErrors "h2_detected_strm_protocol_errors", H2RstStreamResp "h2_rst_stream_resp",
    H2GoawayResp "h2_goaway_resp", H2OpenConnections "h2_open_connections",
    H2BackendOpenStreams "h2_backend_open_streams", H2TotalConnections "h2_total_connections",
    H2BackendTotalStreams "h2_backend_total_streams", H1OpenConnections "h1_open_connections",
    H1OpenStreams "h1_open_streams", H1TotalConnections "h1_total_connections", H1TotalStreams "h1_total_streams",
    H1BytesIn "h1_bytes_in", H1BytesOut "h1_bytes_out", H1SplicedBytesIn "h1_spliced_bytes_in",
    H1SplicedBytesOut "h1_spliced_bytes_out",
}

/// The `type` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Frontend,
    Backend,
    Server,
}

/// The first line, with its line feed.
pub fn header() -> String {
    format!("# {},\n", NAMES.join(","))
}

/// One line.
#[derive(Clone, Debug)]
pub struct Row {
    fields: Vec<Option<Box<str>>>,
}

impl Row {
    /// `server` is `FRONTEND`, `BACKEND` or a server's name.
    pub fn new(proxy: &str, server: &str, kind: Type) -> Row {
        let mut fields = vec![None; NAMES.len()];
        // HAProxy separates its modules' columns by one that reads `-` in every line.
        if let Some(field) = fields.get_mut(Column::Modules as usize) {
            *field = Some("-".into());
        }
        let mut row = Row { fields };
        row.set(Column::Pxname, proxy).set(Column::Svname, server).set(Column::Type, kind as u8);
        row
    }

    pub fn set(&mut self, column: Column, value: impl Display) -> &mut Row {
        if let Some(field) = self.fields.get_mut(column as usize) {
            *field = Some(value.to_string().into());
        }
        self
    }

    /// Sets what is known; `None` leaves the field empty.
    pub fn set_known(&mut self, column: Column, value: Option<impl Display>) -> &mut Row {
        if let Some(value) = value {
            self.set(column, value);
        }
        self
    }

    /// What the row says in one column.
    pub fn get(&self, column: Column) -> Option<&str> {
        self.fields.get(column as usize)?.as_deref()
    }

    /// Adds the line to `out`, with its line feed.
    pub fn write(&self, out: &mut String) {
        for field in &self.fields {
            out.push_str(&quoted(field.as_deref().unwrap_or("")));
            out.push(',');
        }
        out.push('\n');
    }
}

/// RFC 4180: quotes around what has a comma, a quote or a line break; a quote inside is doubled. Line breaks become
/// spaces: one row is one line for everyone who splits at line feeds.
fn quoted(text: &str) -> Cow<'_, str> {
    if !text.contains([',', '"', '\n', '\r']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("\"{}\"", text.replace(['\n', '\r'], " ").replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As HAProxy 2.6.12 prints it.
    const HAPROXY: &str = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,\
        status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,\
        type,rate,rate_lim,rate_max,check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,\
        hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,req_rate,req_rate_max,req_tot,cli_abrt,srv_abrt,comp_in,\
        comp_out,comp_byp,comp_rsp,lastsess,last_chk,last_agt,qtime,ctime,rtime,ttime,agent_status,\
        agent_code,agent_duration,check_desc,agent_desc,check_rise,check_fall,check_health,agent_rise,\
        agent_fall,agent_health,addr,cookie,mode,algo,conn_rate,conn_rate_max,conn_tot,intercepted,dcon,\
        dses,wrew,connect,reuse,cache_lookups,cache_hits,srv_icur,src_ilim,qtime_max,ctime_max,rtime_max,\
        ttime_max,eint,idle_conn_cur,safe_conn_cur,used_conn_cur,need_conn_est,uweight,agg_server_status,\
        agg_server_check_status,agg_check_status,-,ssl_sess,ssl_reused_sess,ssl_failed_handshake,\
        h2_headers_rcvd,h2_data_rcvd,h2_settings_rcvd,h2_rst_stream_rcvd,h2_goaway_rcvd,\
        h2_detected_conn_protocol_errors,h2_detected_strm_protocol_errors,h2_rst_stream_resp,h2_goaway_resp,\
        h2_open_connections,h2_backend_open_streams,h2_total_connections,h2_backend_total_streams,\
        h1_open_connections,h1_open_streams,h1_total_connections,h1_total_streams,h1_bytes_in,h1_bytes_out,\
        h1_spliced_bytes_in,h1_spliced_bytes_out,";

    #[test]
    fn the_header_is_haproxys() {
        assert_eq!(header(), format!("{HAPROXY}\n"));
    }

    #[test]
    fn every_column_knows_its_name() {
        assert_eq!(NAMES[Column::Pxname as usize], "pxname");
        assert_eq!(NAMES[Column::Type as usize], "type");
        assert_eq!(NAMES[Column::AggCheckStatus as usize], "agg_check_status");
        assert_eq!(NAMES[Column::H1SplicedBytesOut as usize], "h1_spliced_bytes_out");
    }

    #[test]
    fn what_is_unknown_is_empty() {
        let mut row = Row::new("ai", "primary", Type::Server);
        row.set(Column::Scur, 0).set_known(Column::Qtime, None::<u32>).set_known(Column::Rtime, Some(7));
        let mut line = String::new();
        row.write(&mut line);
        assert!(line.ends_with(",\n"));
        let fields: Vec<&str> = line.trim_end_matches(",\n").split(',').collect();
        let get = |column: Column| fields[column as usize];
        assert_eq!((get(Column::Pxname), get(Column::Svname), get(Column::Type)), ("ai", "primary", "2"));
        assert_eq!((get(Column::Scur), get(Column::Qtime), get(Column::Rtime)), ("0", "", "7"));
        assert_eq!(get(Column::Modules), "-");
        assert_eq!(line.matches(',').count(), header().matches(',').count());
    }

    #[test]
    fn text_is_quoted_where_it_must_be() {
        let mut row = Row::new("a,b", "s\"x\"", Type::Server);
        row.set(Column::LastChk, "two\nlines");
        let mut line = String::new();
        row.write(&mut line);
        assert!(line.starts_with("\"a,b\",\"s\"\"x\"\"\","), "{line}");
        assert!(line.contains("\"two lines\"") && line.matches('\n').count() == 1);
    }
}
