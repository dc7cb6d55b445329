//! What collectors, platforms and loggers put around a line: each as it looks, with holes for what varies.
//!
//! It knows how each envelope looks and how it writes levels, from its own documentation. It knows nothing of how the engine
//! tells them apart.
//!
//! Holes: `{line}` is the line inside as a text, `{line:any}` as a text or an object, `{line:object}` as an object,
//! `{line:bytes}` as a list of bytes; `{app}` and `{source}` who wrote it, `{app:alike}` by a name that everybody uses; `{own:SCALE}` a level that counts as the line's own,
//! `{stamp:SCALE}` one that a collector gave. What has `!` is always there, a member with another hole sometimes. The member
//! `{is}` names the app of a logger that has only one, `{else}` says that a line without a level is no error, and `{promoted}`
//! is the members of the line inside once more.

use fastrand::Rng;

use super::json::Node;
use super::{pick, text};

/// Its name, and how it looks.
pub(super) type Template = (&'static str, &'static str);

pub(super) const TEMPLATES: &[Template] = &[
    ("kafka-connect", r#"{"schema":{"type":"string","optional":false},"payload":"{line:any}"}"#),
    ("kafka-connect", r#"{"schema":{"type":"struct"},"payload":"{line:object}"}"#),
    ("elasticsearch-hit", r#"{"_index":"logs-7","_id":"x1","_source":"{line:object}","sort":[1709632800]}"#),
    (
        "cloudwatch-event",
        r#"{"logGroup":"/aws/eks/{app!}","logStream":"{source}","timestamp":1709632800123,"message":"{line}"}"#,
    ),
    (
        "ibm-cloud-logs",
        r#"{"applicationName":"prod","subsystemName":"{app!}","computerName":"{source}","severity":"{stamp:coralogix}","timestamp":1709632800123,"text":"{line:any}"}"#,
    ),
    (
        "ibm-cloud-logs",
        r#"{"applicationName":"prod","subsystemName":"{app!}","kubernetes":{"pod_name":"{source}"},"severity":"{stamp:coralogix}","json":"{line:any}"}"#,
    ),
    ("ibm-cloud-logs", r#"{"applicationName":"{app!}","logLevel":"{stamp:word}","text":"{line}"}"#),
    (
        "coralogix-export",
        r#"{"coralogix":{"metadata":{"applicationName":"ns","subsystemName":"{app!}","computerName":"{source}","severity":"{stamp:coralogix}","timestamp":"2024-03-05T10:00:00Z"}},"text":"{line}"}"#,
    ),
    (
        "coralogix-export",
        r#"{"labels":{"applicationname":"ns","subsystemname":"{app!}","computername":"{source}"},"metadata":{"severity":"{stamp:coralogix}","timestamp":"2024-03-05T10:00:00Z"},"userData":"{line:any}"}"#,
    ),
    (
        "google-cloud",
        r#"{"logName":"projects/p/logs/stdout","insertId":"x1","resource":{"type":"k8s_container","labels":{"container_name":"{app}","pod_name":"{source}","location":"eu-de"}},"severity":"{stamp:google}","timestamp":"2024-03-05T10:00:00Z","textPayload":"{line}"}"#,
    ),
    (
        "google-cloud",
        r#"{"logName":"projects/p/logs/stdout","resource":{"type":"cloud_run_revision","labels":{"service_name":"{app}","revision_name":"{source}"}},"severity":"{stamp:google}","jsonPayload":"{line:object}"}"#,
    ),
    (
        "google-cloud",
        r#"{"insertId":"x1","resource":{"type":"gce_instance","labels":{"instance_id":"{source}"}},"labels":{"k8s-pod/app":"{app}"},"severity":"{stamp:google}","textPayload":"{line}"}"#,
    ),
    (
        "azure-container-log",
        r#"{"TimeGenerated":"2024-03-05T10:00:00Z","ContainerName":"{app!}","PodName":"{source}","LogLevel":"{stamp:word}","LogMessage":"{line:any}"}"#,
    ),
    (
        "azure",
        r#"{"time":"2024-03-05T10:00:00Z","resourceId":"/SUBSCRIPTIONS/A/PODS/{source!}","category":"kube-audit","level":"{own:word}","properties":{"log":"{line}"}}"#,
    ),
    (
        "azure",
        r#"{"time":"2024-03-05T10:00:00Z","resourceId":"/A/{source!}","operationName":"Write","Level":"{own:word}","resultDescription":"{line}"}"#,
    ),
    (
        "azure",
        r#"{"time":"2024-03-05T10:00:00Z","resourceId":"/A/B","category":"c","properties":{"pod":"{source!}","message":"{line}"}}"#,
    ),
    (
        "datadog",
        r#"{"ddsource":"go","ddtags":"env:prod","service":"{app}","hostname":"{source}","status":"{stamp:word}","timestamp":1709632800123,"message":"{line}"}"#,
    ),
    (
        "datadog",
        r#"{"id":"A1","content":{"attributes":{"n":1},"service":"{app}","host":"{source}","status":"{stamp:word}","message":"{line}"}}"#,
    ),
    (
        "splunk-hec",
        r#"{"time":1709632800.1,"host":"{source!}","sourcetype":"_json","index":"main","fields":{"app":"{app}","severity":"{own:word}"},"event":"{line:any}"}"#,
    ),
    ("splunk-hec", r#"{"host":"{source}","sourcetype":"{app!}","event":"{line:any}"}"#),
    (
        "loki",
        r#"{"labels":{"app":"{app}","pod":"{source}","level":"{own:word}"},"timestamp":"2024-03-05T10:00:00Z","line":"{line}"}"#,
    ),
    (
        "loki",
        r#"{"labels":{"service_name":"{app}","instance":"{source}","detected_level":"{stamp:word}"},"line":"{line}"}"#,
    ),
    (
        "gelf",
        r#"{"version":"1.1","host":"{source!}","short_message":"{line}","timestamp":1709632800.1,"level":"{own:syslog}","_app":"{app}"}"#,
    ),
    (
        "gelf",
        r#"{"version":"1.1","host":"{source!}","short_message":"{line}","level":"{own:syslog}","_container_name":"{app}"}"#,
    ),
    (
        "mezmo",
        r#"{"_line":"{line}","_ts":1709632800123,"_app":"{app}","_host":"{source}","_level":"{own:word}","_meta":{"region":"KEY_DELETED_ERR"}}"#,
    ),
    ("mezmo", r#"{"_line":"{line}","_ts":1709632800123,"_app":"{app}","pod":"{source}","level":"{own:word}"}"#),
    ("mezmo", r#"{"_account":"x","_line":"{line}","_meta":{"pod":"{source}"},"_lvl":"{own:word}","_app":"{app}"}"#),
    ("mezmo-promoted", r#"{"_line":"{line}","{promoted}":1,"_app":"{app}","_ts":1709632800123}"#),
    (
        "mezmo-line",
        r#"{"line":"{line}","timestamp":1709632800,"app":"{app}","level":"{own:word}","meta":{"pod":"{source}"}}"#,
    ),
    ("mezmo-line", r#"{"timestamp":1709632800,"app":"{app}","host":"{source}","line":"{line}"}"#),
    (
        "vector",
        r#"{"source_type":"kubernetes_logs","kubernetes":{"pod_labels":{"app":"{app}"},"pod_name":"{source}"},"timestamp":"2024-03-05T10:00:00Z","message":"{line}"}"#,
    ),
    (
        "vector",
        r#"{"source_type":"kubernetes_logs","kubernetes":{"pod_labels":{"app.kubernetes.io/name":"{app}"},"pod_name":"{source}","container_name":"{app}"},"message":"{line}"}"#,
    ),
    (
        "viaq",
        r#"{"openshift":{"sequence":1},"log_type":"application","kubernetes":{"labels":{"app":"{app}"},"pod_name":"{source}"},"level":"{stamp:word}","@timestamp":"2024-03-05T10:00:00Z","message":"{line}"}"#,
    ),
    (
        "viaq",
        r#"{"viaq_msg_id":"x1","kubernetes":{"container_name":"{app}","pod_name":"{source}"},"level":"{stamp:word}","structured":"{line:object}"}"#,
    ),
    (
        "elastic-agent",
        r#"{"@timestamp":"2024-03-05T10:00:00Z","agent":{"type":"filebeat"},"kubernetes":{"container":{"name":"{app}"},"pod":{"name":"{source}"}},"log":{"level":"{own:word}"},"message":"{line}"}"#,
    ),
    (
        "elastic-agent",
        r#"{"@timestamp":"2024-03-05T10:00:00Z","agent.type":"filebeat","kubernetes":{"labels":{"app_kubernetes_io/name":"{app}"},"pod":{"name":"{source}"}},"message":"{line}"}"#,
    ),
    (
        "elastic-agent",
        r#"{"agent":{"type":"filebeat"},"service.name":"{app}","host":{"hostname":"{source}"},"log.level":"{own:word}","message":"{line}"}"#,
    ),
    (
        "fluent",
        r#"{"log":"{line}","stream":"stderr","time":"2024-03-05T10:00:00Z","kubernetes":{"pod_name":"{source!}","container_name":"{app}"}}"#,
    ),
    (
        "fluent",
        r#"{"message":"{line}","level":"{own:word}","kubernetes":{"pod_name":"{source!}","labels":{"app":"{app}"},"container_name":"{app}"}}"#,
    ),
    (
        "fluent",
        r#"{"log":"{line}","kubernetes":{"pod_name":"{source!}","labels":{"app_kubernetes_io_name":"{app}"}},"log_processed":{"level":"{own:word}"}}"#,
    ),
    (
        "ecs",
        r#"{"@timestamp":"2024-03-05T10:00:00Z","ecs":{"version":"8.11"},"service":{"name":"{app}"},"host":{"name":"{source}"},"log":{"level":"{own:word}"},"message":"{line}"}"#,
    ),
    (
        "ecs",
        r#"{"@timestamp":"2024-03-05T10:00:00Z","log.level":"{own:word!}","ecs.version":"8.11","service.name":"{app}","host.name":"{source}","message":"{line}"}"#,
    ),
    (
        "journald",
        r#"{"__REALTIME_TIMESTAMP":"1709632800123456","_HOSTNAME":"{source}","SYSLOG_IDENTIFIER":"{app}","PRIORITY":"{stamp:syslog-text}","MESSAGE":"{line}"}"#,
    ),
    (
        "journald",
        r#"{"__CURSOR":"s=1","_HOSTNAME":"{source}","_SYSTEMD_UNIT":"{app!}.service","PRIORITY":"{stamp:syslog-text}","MESSAGE":"{line}"}"#,
    ),
    (
        "journald-bytes",
        r#"{"__REALTIME_TIMESTAMP":"1709632800123456","_HOSTNAME":"{source}","SYSLOG_IDENTIFIER":"{app}","PRIORITY":"{stamp:syslog-text}","MESSAGE":"{line:bytes}"}"#,
    ),
    (
        "syslog-json",
        r#"{"timereported":"2024-03-05T10:00:00Z","hostname":"{source}","programname":"{app!}","syslogseverity":"{stamp:syslog}","msg":"{line}"}"#,
    ),
    (
        "syslog-json",
        r#"{"ISODATE":"2024-03-05T10:00:00Z","HOST":"{source}","PROGRAM":"{app!}","PRIORITY":"{stamp:word}","MESSAGE":"{line}"}"#,
    ),
    (
        "syslog-json",
        r#"{"appname":"{app!}","facility":"daemon","severity":"{stamp:word}","hostname":"{source}","timestamp":"2024-03-05T10:00:00Z","message":"{line}"}"#,
    ),
    ("syslog-json", r#"{"ident":"{app!}","pid":"12","host":"{source}","level":"{stamp:syslog}","message":"{line}"}"#),
    (
        "syslog-json",
        r#"{"syslogtag":"{app!}[12]:","fromhost":"{source}","syslogseverity-text":"{stamp:word}","msg":"{line}"}"#,
    ),
    (
        "firelens",
        r#"{"container_name":"/{app!}","container_id":"{source!}","ecs_cluster":"c","ecs_task_arn":"arn:aws:ecs:x","source":"stderr","level":"{own:word}","log":"{line}"}"#,
    ),
    ("docker", r#"{"log":"{line}","stream":"stderr","attrs":{"tag":"{app}"},"time":"2024-03-05T10:00:00.123456789Z"}"#),
    (
        "otel",
        r#"{"Timestamp":"2024-03-05T10:00:00Z","SeverityText":"{own:word!}","Body":"{line:any}","Resource":{"service.name":"{app}","k8s.pod.name":"{source}"}}"#,
    ),
    (
        "otel",
        r#"{"Timestamp":"2024-03-05T10:00:00Z","SeverityNumber":"{own:otel}","Body":"{line}","ResourceAttributes":{"service.name":"{app}","k8s.pod.name":"{source}"}}"#,
    ),
    (
        "otel-record",
        r#"{"timeUnixNano":"1709632800123000000","severityText":"{own:word}","body":{"stringValue":"{line}"},"resource":{"attributes":{"service.name":"{app}","k8s.pod.name":"{source}"}}}"#,
    ),
    (
        "otel-record",
        r#"{"timeUnixNano":"1709632800123000000","severityNumber":"{own:otel}","body":{"stringValue":"{line}"},"resource":{"attributes":[{"key":"telemetry.sdk.name","value":{"stringValue":"opentelemetry"}},{"key":"service.name","value":{"stringValue":"{app!}"}},{"key":"k8s.pod.name","value":{"stringValue":"{source!}"}}]}}"#,
    ),
    (
        "otel-record",
        r#"{"severity_text":"{own:word!}","body":"{line:any}","resources":{"service.name":"{app}","host.name":"{source}"}}"#,
    ),
    (
        "mongod",
        r#"{"t":{"$date":"2024-03-05T10:00:00Z"},"s":"{own:mongo!}","c":"NETWORK","id":1,"ctx":"conn1","msg":"{line}","{is}":"mongod"}"#,
    ),
    (
        "postgres",
        r#"{"timestamp":"2024-03-05 10:00:00.123 UTC","error_severity":"{own:word!}","backend_type":"client backend","message":"{line}","{is}":"postgres"}"#,
    ),
    (
        "mysql",
        r#"{"prio":1,"err_code":1,"label":"{own:word}","time":"2024-03-05T10:00:00Z","msg":"{line}","{is}":"mysqld"}"#,
    ),
    (
        "log4j2",
        r#"{"instant":{"epochSecond":1709632800,"nanoOfSecond":1},"level":"{own:word}","loggerName":"com.Foo","message":"{line}"}"#,
    ),
    (
        "liberty",
        r#"{"ibm_datetime":"2024-03-05T10:00:00Z","loglevel":"{own:word}","ibm_serverName":"{app}","host":"{source}","message":"{line}"}"#,
    ),
    (
        "jboss",
        r#"{"loggerName":"com.Foo","sequence":1,"hostName":"{source}","level":"{own:word}","timestamp":"2024-03-05T10:00:00Z","message":"{line}"}"#,
    ),
    (
        "logback",
        r#"{"@timestamp":"2024-03-05T10:00:00Z","logger_name":"com.Foo","level":"{own:word}","application":"{app}","message":"{line}"}"#,
    ),
    (
        "logback",
        r#"{"@timestamp":"2024-03-05T10:00:00Z","level_value":"{own:logback!}","service":"{app}","message":"{line}"}"#,
    ),
    ("serilog", r#"{"@t":"2024-03-05T10:00:00Z","@m":"{line}","@l":"{own:word}","{else}":1,"Application":"{app}"}"#),
    (
        "serilog-full",
        r#"{"Timestamp":"2024-03-05T10:00:00Z","Level":"{own:word}","RenderedMessage":"{line}","Properties":{"Application":"{app}"}}"#,
    ),
    (
        "dotnet",
        r#"{"Timestamp":"2024-03-05T10:00:00Z","LogLevel":"{own:word!}","Category":"App.Program","Message":"{line}"}"#,
    ),
    (
        "tracing",
        r#"{"timestamp":"2024-03-05T10:00:00Z","level":"{own:word}","fields":{"message":"{line}"},"target":"app::x"}"#,
    ),
    (
        "python",
        r#"{"asctime":"2024-03-05 10:00:00,123","levelname":"{own:word!}","name":"root","service":"{app}","message":"{line}"}"#,
    ),
    ("python", r#"{"levelno":"{own:python!}","created":1709632800.1,"message":"{line}"}"#),
    (
        "elasticsearch",
        r#"{"type":"server","cluster.name":"es","node.name":"{source!}","level":"{own:word}","timestamp":"2024-03-05T10:00:00Z","message":"{line}"}"#,
    ),
    ("access", r#"{"response_code":503,"start_time":"2024-03-05T10:00:00Z","response_code_details":"{line}"}"#),
    (
        "pino",
        r#"{"level":"{own:pino!}","time":1709632800123,"pid":12,"hostname":"{source}","name":"{app}","msg":"{line}"}"#,
    ),
    ("lambda", r#"{"timestamp":"2024-03-05T10:00:00Z","level":"{own:word!}","requestId":"x1","message":"{line}"}"#),
    ("structlog", r#"{"event":"{line}","level":"{own:word!}","timestamp":"2024-03-05T10:00:00Z"}"#),
    ("nobody's", r#"{"n":1,"level":"{own:generic}","app":"{app}","pod":"{source}","msg":"{line}"}"#),
    ("nobody's", r#"{"message":"{line}","severity":"{own:word}","service":"{app:alike}","hostname":"{source:alike}"}"#),
    (
        "nobody's",
        r#"{"host":"{source:alike}","_app":null,"app_name":"{app:alike}","lvl":"{own:word}","line":"{line}"}"#,
    ),
];

/// A level as one writes it there, and whether it says that the line is an error: nothing when it says nothing.
pub(super) fn level(rng: &mut Rng, scale: &str) -> (Node, Option<bool>) {
    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    const WORDS: &[(&str, Option<bool>)] = &[
        ("error", YES),
        ("ERROR", YES),
        ("Err", YES),
        ("Fatal", YES),
        ("SEVERE", YES),
        ("critical", YES),
        ("crit", YES),
        ("panic", YES),
        ("emerg", YES),
        ("alert", YES),
        ("\u{1b}[31merror\u{1b}[39m", YES),
        ("info", NO),
        ("Information", NO),
        ("WARN", NO),
        ("warning", NO),
        ("notice", NO),
        ("DEBUG", NO),
        ("trace", NO),
        ("LOG", NO),
        ("\u{1b}[33mWARN\u{1b}[0m", NO),
        ("", None),
        ("none", None),
        ("unknown", None),
        ("quux", None),
    ];
    let among = |rng: &mut Rng, numbers: &[(u32, Option<bool>)], is_text: bool| {
        let (number, says) = pick(rng, numbers);
        (if is_text { text(number.to_string()) } else { Node::Raw(number.to_string()) }, says)
    };
    let word = |rng: &mut Rng| {
        let (word, says) = pick(rng, WORDS);
        (text(word), says)
    };
    const SYSLOG: &[(u32, Option<bool>)] =
        &[(0, YES), (1, YES), (2, YES), (3, YES), (3, YES), (4, NO), (5, NO), (6, NO), (7, NO)];
    let pino = &[(10, NO), (20, NO), (30, NO), (40, NO), (50, YES), (60, YES)];
    match scale {
        "coralogix" if rng.bool() => among(rng, &[(1, NO), (2, NO), (3, NO), (4, NO), (5, YES), (6, YES)], false),
        "syslog" => among(rng, SYSLOG, false),
        "syslog-text" => among(rng, SYSLOG, true),
        "google" if rng.bool() => {
            among(rng, &[(0, None), (100, NO), (200, NO), (400, NO), (500, YES), (600, YES), (800, YES)], false)
        }
        "otel" => {
            among(rng, &[(0, None), (1, NO), (9, NO), (13, NO), (16, NO), (17, YES), (21, YES), (24, YES)], false)
        }
        "logback" => among(rng, &[(10000, NO), (20000, NO), (30000, NO), (40000, YES)], false),
        "python" => among(rng, &[(10, NO), (20, NO), (30, NO), (40, YES), (50, YES)], false),
        "pino" => among(rng, pino, false),
        "generic" if rng.bool() => among(rng, pino, false),
        "mongo" => {
            let (letter, says) = pick(rng, &[("F", YES), ("E", YES), ("W", NO), ("I", NO), ("D1", NO)]);
            (text(letter), says)
        }
        _ => word(rng),
    }
}
