//! The table of envelopes: how each is known, and where its facts stand. A new one is one row here and one file of cases in
//! `tests/envelopes`.
//!
//! Paths go through objects by dots; a key may have dots itself. Rows are tried from the first to the last, and the first
//! that fits is the layer's: special ones stand before general ones.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::row::{At, Row, Sign};
use crate::level::Scale::{Coralogix, Google, Logback, Mongo, Otel, Pino, Python, Syslog, Word};

use At::{Bare, Is, Last, Tag, Unit, Visible};
use Sign::{Has, List, Number, Object, Text};

/// Where most things stand in the line of an application that says nothing of what it is: what it calls its app is that.
pub(in crate::engine) const APP: &[&str] = &["app"];
/// What is as good as an app where no envelope says.
pub(in crate::engine) const LIKE_APP: &[&str] = &[
    "_app",
    "application",
    "app_name",
    "appName",
    "service",
    "service_name",
    "serviceName",
    "service.name",
    "applicationName",
    "kubernetes.labels.app",
    "kubernetes.container_name",
    "resource.service.name",
    "resource.attributes.service.name",
];
/// The process, by its own word.
pub(in crate::engine) const SOURCE: &[&str] = &["pod"];
/// What is as good.
pub(in crate::engine) const LIKE_SOURCE: &[&str] =
    &["_pod", "pod_name", "podName", "kubernetes.pod_name", "_host", "hostname", "host.name", "host", "instance"];
/// The region.
pub(in crate::engine) const REGION: &[&str] = &["region", "_meta.region", "crn_region", "cloud.region"];
/// The time.
pub(in crate::engine) const TIME: &[&str] = &[
    "time",
    "_ts",
    "timestamp",
    "@timestamp",
    "ts",
    "datetime",
    "date",
    "eventTime",
    "event_time",
    "asctime",
    "Timestamp",
];
/// The level.
pub(in crate::engine) const LEVEL: &[&str] = &[
    "level",
    "severity",
    "_level",
    "log.level",
    "severityText",
    "lvl",
    "loglevel",
    "logLevel",
    "log_level",
    "levelname",
    "level_name",
    "Level",
    "@level",
];
/// What is said.
pub(in crate::engine) const SAYS: &[&str] = &[
    "msg",
    "message",
    "MESSAGE",
    "Message",
    "log",
    "line",
    "_line",
    "text",
    "body",
    "textPayload",
    "short_message",
    "event",
];
/// Why.
pub(in crate::engine) const WHY: &[&str] =
    &["error", "err", "error.message", "err.message", "exception", "exception.message", "cause", "errorMessage"];

/// Whether what stands at this path of an object is a fact by its name alone, and no text.
pub(in crate::engine) fn is_fact(path: &str) -> bool {
    static FACTS: LazyLock<HashSet<&'static str, FixedState>> =
        LazyLock::new(|| [APP, SOURCE, REGION, TIME, LEVEL].into_iter().flatten().copied().collect());
    FACTS.contains(path)
}

/// Labels of a pod that name its app, below the member that holds them.
macro_rules! labels {
    ($labels:literal, $($more:expr),*) => {
        &[
            At::Path(concat!($labels, ".app")),
            At::Path(concat!($labels, ".app.kubernetes.io/name")),
            At::Path(concat!($labels, ".app_kubernetes_io/name")),
            At::Path(concat!($labels, ".app_kubernetes_io_name")),
            At::Path(concat!($labels, ".k8s-app")),
            $($more),*
        ]
    };
}

const fn at(path: &'static str) -> At {
    At::Path(path)
}

/// What an application writes itself, where that is forced.
pub(in crate::engine) static BARE: Row = Row {
    id: "bare",
    name: "the application's own",
    app: &[at("app")],
    source: &[at("pod")],
    region: &["region", "crn_region"],
    level: &[("level", Word), ("severity", Word)],
    time: &["time", "ts", "timestamp"],
    says: SAYS,
    ..Row::EMPTY
};

/// See the top of the file.
pub(in crate::engine) static ROWS: &[Row] = &[
    Row {
        id: "kafka-connect",
        name: "Kafka Connect JSON with schemas",
        known_by: &[&[Has("schema"), Has("payload")]],
        says: &["payload"],
        ..Row::EMPTY
    },
    Row {
        id: "elasticsearch-hit",
        name: "Elasticsearch or OpenSearch hit",
        known_by: &[&[Object("_source")]],
        says: &["_source"],
        ..Row::EMPTY
    },
    Row {
        id: "otlp",
        name: "OTLP/JSON",
        known_by: &[&[List("resourceLogs")]],
        records: Some("resourceLogs[].scopeLogs[].logRecords[]"),
        ..Row::EMPTY
    },
    Row {
        id: "cloudwatch",
        name: "AWS CloudWatch subscription",
        known_by: &[&[List("logEvents")]],
        records: Some("logEvents[]"),
        ..Row::EMPTY
    },
    Row {
        id: "loki-push",
        name: "Loki push",
        known_by: &[&[List("streams")]],
        records: Some("streams[].values[]"),
        ..Row::EMPTY
    },
    Row {
        id: "mezmo-lines",
        name: "Mezmo / LogDNA ingest, many lines",
        known_by: &[&[List("lines")]],
        records: Some("lines[]"),
        ..Row::EMPTY
    },
    Row {
        id: "azure-records",
        name: "Azure diagnostic settings, many records",
        known_by: &[&[List("records")]],
        records: Some("records[]"),
        ..Row::EMPTY
    },
    Row {
        id: "cloudwatch-event",
        name: "AWS CloudWatch",
        known_by: &[&[Has("logGroup"), Has("logStream")], &[Has("logGroup"), Has("message")]],
        app: &[Last("logGroup")],
        source: &[at("logStream")],
        time: &["timestamp"],
        says: &["message"],
        ..Row::EMPTY
    },
    Row {
        id: "ibm-cloud-logs",
        name: "IBM Cloud Logs / Coralogix",
        known_by: &[
            &[Has("applicationName"), Has("subsystemName")],
            &[Has("applicationName"), Has("text")],
            &[Has("applicationName"), Has("json")],
            &[Has("applicationName"), Has("severity")],
        ],
        app: &[at("subsystemName"), at("applicationName")],
        source: &[at("kubernetes.pod_name"), at("computerName")],
        stamp: &[("severity", Coralogix), ("logLevel", Word)],
        time: &["timestamp"],
        says: &["text", "json"],
        ..Row::EMPTY
    },
    Row {
        id: "coralogix-export",
        name: "Coralogix, exported",
        known_by: &[
            &[Has("coralogix.metadata")],
            &[Has("labels.subsystemname"), Object("metadata")],
            &[Has("labels.applicationname"), Object("metadata")],
        ],
        app: &[
            at("coralogix.metadata.subsystemName"),
            at("labels.subsystemname"),
            at("coralogix.metadata.applicationName"),
            at("labels.applicationname"),
        ],
        source: &[at("kubernetes.pod_name"), at("coralogix.metadata.computerName"), at("labels.computername")],
        stamp: &[("coralogix.metadata.severity", Coralogix), ("metadata.severity", Coralogix)],
        time: &["coralogix.metadata.timestamp", "metadata.timestamp"],
        says: &["text", "userData", "user_data"],
        ..Row::EMPTY
    },
    Row {
        id: "google-cloud",
        name: "Google Cloud LogEntry",
        known_by: &[
            &[Has("logName"), Object("resource")],
            &[Has("insertId"), Object("resource")],
            &[Has("logName"), Has("textPayload")],
            &[Has("logName"), Has("jsonPayload")],
        ],
        app: &[
            at("resource.labels.container_name"),
            at("resource.labels.service_name"),
            at("labels.k8s-pod/app"),
            at("labels.k8s-pod/app_kubernetes_io/name"),
            at("jsonPayload.serviceContext.service"),
            at("serviceContext.service"),
        ],
        source: &[
            at("resource.labels.pod_name"),
            at("resource.labels.revision_name"),
            at("resource.labels.instance_id"),
        ],
        region: &["resource.labels.location"],
        stamp: &[("severity", Google)],
        time: &["timestamp", "receiveTimestamp"],
        says: &["textPayload", "jsonPayload"],
        ..Row::EMPTY
    },
    Row {
        id: "azure-container-log",
        name: "Azure ContainerLogV2",
        known_by: &[&[Has("ContainerName"), Has("LogMessage")], &[Has("PodName"), Has("LogMessage")]],
        app: &[at("ContainerName")],
        source: &[at("PodName"), at("Computer")],
        stamp: &[("LogLevel", Word)],
        time: &["TimeGenerated"],
        says: &["LogMessage"],
        ..Row::EMPTY
    },
    Row {
        id: "azure",
        name: "Azure diagnostic settings",
        known_by: &[&[Has("resourceId"), Has("category")], &[Has("resourceId"), Has("operationName")]],
        source: &[at("properties.pod"), Last("resourceId")],
        level: &[("level", Word), ("Level", Word)],
        time: &["time"],
        says: &["properties.log", "properties.message", "resultDescription", "properties"],
        ..Row::EMPTY
    },
    Row {
        id: "datadog",
        name: "Datadog",
        known_by: &[&[Has("ddsource")], &[Has("ddtags")], &[Object("content.attributes")]],
        app: &[at("service"), at("content.service")],
        source: &[at("host"), at("hostname"), at("content.host")],
        stamp: &[("status", Word), ("content.status", Word)],
        time: &["timestamp", "date", "content.timestamp"],
        says: &["message", "content.message"],
        ..Row::EMPTY
    },
    Row {
        id: "splunk-hec",
        name: "Splunk HTTP event collector",
        known_by: &[
            &[Has("event"), Has("sourcetype")],
            &[Has("event"), Has("index")],
            &[Has("event"), Has("host"), Has("time")],
        ],
        app: &[at("fields.app"), at("fields.k8s_container_name"), Visible("sourcetype")],
        source: &[at("fields.pod"), at("host")],
        // Of an object in `event`, that layer tells.
        level: &[("fields.severity", Word), ("fields.level", Word)],
        time: &["time"],
        says: &["event"],
        ..Row::EMPTY
    },
    Row {
        id: "loki",
        name: "Loki, a line of logcli or tail",
        known_by: &[&[Object("labels"), Text("line")]],
        app: &[at("labels.app"), at("labels.service_name"), at("labels.job"), at("labels.container")],
        source: &[at("labels.pod"), at("labels.instance"), at("labels.host"), at("labels.hostname")],
        level: &[("labels.level", Word)],
        stamp: &[("labels.detected_level", Word)],
        time: &["timestamp"],
        says: &["line"],
        ..Row::EMPTY
    },
    Row {
        id: "mezmo",
        name: "Mezmo / LogDNA",
        known_by: &[&[Has("_line")], &[Has("_app"), Has("_host")], &[Has("_app"), Has("_ts")]],
        app: &[at("_app")],
        source: &[at("_meta.pod"), at("_pod"), at("pod"), at("_host")],
        region: &["_meta.region"],
        level: &[("level", Word), ("_level", Word), ("_lvl", Word)],
        time: &["_ts"],
        says: &["_line"],
        ..Row::EMPTY
    },
    Row {
        id: "mezmo-line",
        name: "Mezmo / LogDNA ingest",
        known_by: &[&[Has("line"), Has("app")], &[Has("line"), Object("meta")], &[Has("line"), Has("timestamp")]],
        app: &[at("app")],
        source: &[at("meta.pod"), at("host"), at("hostname")],
        region: &["meta.region"],
        level: &[("level", Word)],
        time: &["timestamp"],
        says: &["line"],
        ..Row::EMPTY
    },
    Row {
        id: "vector",
        name: "Vector kubernetes_logs",
        known_by: &[&[Has("source_type"), Object("kubernetes")]],
        app: labels!("kubernetes.pod_labels", at("kubernetes.container_name")),
        source: &[at("kubernetes.pod_name")],
        time: &["timestamp"],
        says: &["message"],
        ..Row::EMPTY
    },
    Row {
        id: "viaq",
        name: "OpenShift Logging (ViaQ)",
        known_by: &[&[Object("openshift")], &[Has("log_type"), Object("kubernetes")], &[Has("viaq_msg_id")]],
        app: labels!("kubernetes.labels", at("kubernetes.container_name"), at("systemd.u.SYSLOG_IDENTIFIER")),
        source: &[at("kubernetes.pod_name"), at("hostname")],
        stamp: &[("level", Word)],
        time: &["@timestamp"],
        says: &["structured", "message"],
        ..Row::EMPTY
    },
    Row {
        id: "elastic-agent",
        name: "Filebeat and Elastic Agent",
        known_by: &[&[Has("agent.type")], &[Has("kubernetes.container.name")], &[Has("kubernetes.pod.name")]],
        app: labels!(
            "kubernetes.labels",
            at("service.name"),
            at("kubernetes.container.name"),
            at("container.name"),
            at("process.name")
        ),
        source: &[at("kubernetes.pod.name"), at("host.name"), at("host.hostname")],
        region: &["cloud.region"],
        level: &[("log.level", Word)],
        time: &["@timestamp"],
        says: &["message"],
        why: &["error.message", "error.stack_trace"],
        ..Row::EMPTY
    },
    Row {
        id: "fluent",
        name: "Fluent Bit and Fluentd on Kubernetes",
        known_by: &[
            &[Has("kubernetes.pod_name")],
            &[Has("kubernetes.container_name")],
            &[Has("kubernetes.namespace_name")],
            &[Object("kubernetes.labels")],
            &[Has("kubernetes.labels.app")],
        ],
        app: labels!("kubernetes.labels", at("kubernetes.container_name")),
        source: &[at("kubernetes.pod_name")],
        level: &[("level", Word), ("log_processed.level", Word)],
        time: &["time", "@timestamp"],
        says: &["log", "message", "log_processed"],
        ..Row::EMPTY
    },
    Row {
        id: "ecs",
        name: "Elastic Common Schema",
        known_by: &[&[Has("ecs.version")], &[Has("@timestamp"), Has("log.level")]],
        app: &[at("service.name"), at("process.name")],
        source: &[at("host.name"), at("host.hostname"), at("service.node.name")],
        region: &["cloud.region"],
        level: &[("log.level", Word)],
        time: &["@timestamp"],
        says: &["message"],
        why: &["error.message", "error.stack_trace"],
        ..Row::EMPTY
    },
    Row {
        id: "journald",
        name: "journald",
        known_by: &[&[Has("__REALTIME_TIMESTAMP")], &[Has("_SYSTEMD_UNIT")], &[Has("__CURSOR")]],
        app: &[at("SYSLOG_IDENTIFIER"), at("CONTAINER_NAME"), Unit("_SYSTEMD_UNIT"), at("_COMM")],
        source: &[at("_HOSTNAME")],
        stamp: &[("PRIORITY", Syslog)],
        time: &["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"],
        says: &["MESSAGE"],
        ..Row::EMPTY
    },
    Row {
        id: "gelf",
        name: "GELF",
        known_by: &[&[Has("short_message")]],
        app: &[at("_app"), at("_service"), at("_container_name")],
        source: &[at("host")],
        level: &[("level", Syslog)],
        time: &["timestamp"],
        says: &["short_message"],
        why: &["full_message"],
        ..Row::EMPTY
    },
    Row {
        id: "syslog-json",
        name: "Syslog as JSON: rsyslog, syslog-ng, Vector, Fluentd",
        known_by: &[
            &[Has("syslogtag")],
            &[Has("programname")],
            &[Has("PROGRAM")],
            &[Has("syslogseverity")],
            &[Has("syslogseverity-text")],
            &[Has("appname"), Has("facility")],
            &[Has("appname"), Has("severity")],
            &[Has("ident"), Has("host")],
            &[Has("ident"), Has("pid")],
        ],
        app: &[at("programname"), at("appname"), at("PROGRAM"), at("ident"), Tag("syslogtag")],
        source: &[at("hostname"), at("host"), at("HOST"), at("fromhost")],
        stamp: &[
            ("severity", Syslog),
            ("syslogseverity", Syslog),
            ("syslogseverity-text", Syslog),
            ("PRIORITY", Syslog),
            ("priority", Syslog),
            ("level", Syslog),
        ],
        time: &["timereported", "ISODATE", "timestamp", "time", "@timestamp"],
        says: &["msg", "MESSAGE", "message"],
        ..Row::EMPTY
    },
    Row {
        id: "firelens",
        name: "AWS FireLens",
        known_by: &[
            &[Has("ecs_task_arn")],
            &[Has("ecs_cluster"), Has("log")],
            &[Has("container_name"), Has("container_id"), Has("log")],
        ],
        app: &[Bare("container_name")],
        source: &[at("container_id")],
        level: &[("level", Word)],
        time: &["timestamp", "time"],
        says: &["log"],
        ..Row::EMPTY
    },
    Row {
        id: "docker",
        name: "Docker json-file",
        known_by: &[&[Has("log"), Has("stream")]],
        app: &[at("attrs.tag")],
        time: &["time"],
        says: &["log"],
        ..Row::EMPTY
    },
    Row {
        id: "otel",
        name: "OpenTelemetry data model",
        known_by: &[
            &[Has("SeverityNumber")],
            &[Has("SeverityText")],
            &[Has("Body"), Has("Timestamp")],
            &[Has("Body"), Has("Resource")],
        ],
        app: &[
            at("Resource.service.name"),
            at("Resource.attributes.service.name"),
            at("ResourceAttributes.service.name"),
            at("ServiceName"),
            at("Resource.k8s.container.name"),
            at("Resource.k8s.deployment.name"),
        ],
        source: &[
            at("Resource.k8s.pod.name"),
            at("ResourceAttributes.k8s.pod.name"),
            at("Resource.service.instance.id"),
            at("Resource.host.name"),
        ],
        region: &["Resource.cloud.region"],
        level: &[("SeverityText", Word), ("SeverityNumber", Otel)],
        time: &["Timestamp", "ObservedTimestamp"],
        says: &["Body"],
        why: &["Attributes.exception.message"],
        ..Row::EMPTY
    },
    Row {
        id: "otel-record",
        name: "OpenTelemetry log record",
        known_by: &[
            &[Has("severityNumber")],
            &[Has("severityText")],
            &[Has("severity_number")],
            &[Has("severity_text")],
            &[Has("timeUnixNano")],
            &[Has("body"), Object("resource")],
            &[Has("body"), Object("resources")],
        ],
        app: &[
            at("resource.attributes.service.name"),
            at("resource.service.name"),
            at("resources.service.name"),
            at("resource.attributes.k8s.container.name"),
            at("resource.k8s.container.name"),
            at("resources.k8s.container.name"),
            at("resource.attributes.k8s.deployment.name"),
            at("resource.k8s.deployment.name"),
            at("resources.k8s.deployment.name"),
        ],
        source: &[
            at("resource.attributes.k8s.pod.name"),
            at("resource.k8s.pod.name"),
            at("resources.k8s.pod.name"),
            at("resource.attributes.service.instance.id"),
            at("resource.service.instance.id"),
            at("resources.service.instance.id"),
            at("resource.attributes.host.name"),
            at("resource.host.name"),
            at("resources.host.name"),
        ],
        region: &["resource.attributes.cloud.region", "resource.cloud.region", "resources.cloud.region"],
        level: &[
            ("severityText", Word),
            ("severity_text", Word),
            ("severityNumber", Otel),
            ("severity_number", Otel),
            ("severity", Word),
        ],
        time: &["timeUnixNano", "timestamp", "time", "observedTimeUnixNano", "observed_timestamp"],
        says: &["body.stringValue", "body"],
        why: &["attributes.exception.message"],
        ..Row::EMPTY
    },
    // --- loggers: the application's own line ---
    Row {
        id: "mongod",
        name: "mongod",
        known_by: &[&[Has("t.$date"), Has("s"), Has("c")]],
        app: &[Is("mongod")],
        level: &[("s", Mongo)],
        time: &["t.$date"],
        says: &["msg"],
        why: &["attr.error"],
        ..Row::EMPTY
    },
    Row {
        id: "postgres",
        name: "PostgreSQL jsonlog",
        known_by: &[&[Has("error_severity")]],
        app: &[Is("postgres")],
        level: &[("error_severity", Word)],
        time: &["timestamp"],
        says: &["message"],
        why: &["detail"],
        ..Row::EMPTY
    },
    Row {
        id: "mysql",
        name: "MySQL",
        known_by: &[&[Has("prio"), Has("err_code")], &[Has("prio"), Has("label")], &[Has("log_type"), Has("prio")]],
        app: &[Is("mysqld")],
        level: &[("label", Word)],
        time: &["time", "ts"],
        says: &["msg"],
        ..Row::EMPTY
    },
    Row {
        id: "log4j2",
        name: "Log4j 2 JSON template",
        known_by: &[&[Has("instant.epochSecond")]],
        level: &[("level", Word)],
        time: &["instant.epochSecond"],
        says: &["message"],
        why: &["thrown.message"],
        ..Row::EMPTY
    },
    Row {
        id: "liberty",
        name: "Open Liberty",
        known_by: &[&[Has("ibm_datetime")], &[Has("ibm_messageId")]],
        app: &[at("ibm_serverName")],
        source: &[at("host"), at("hostName")],
        level: &[("loglevel", Word), ("level", Word)],
        time: &["ibm_datetime"],
        says: &["message"],
        ..Row::EMPTY
    },
    Row {
        id: "jboss",
        name: "Quarkus and JBoss",
        known_by: &[&[Has("loggerName"), Has("sequence")], &[Has("loggerName"), Has("hostName")]],
        source: &[at("hostName")],
        level: &[("level", Word)],
        time: &["timestamp"],
        says: &["message"],
        why: &["exception.message"],
        ..Row::EMPTY
    },
    Row {
        id: "logback",
        name: "Logback, logstash-encoder",
        known_by: &[&[Has("logger_name")], &[Has("level_value")]],
        app: &[at("service"), at("application"), at("app_name")],
        level: &[("level", Word), ("level_value", Logback)],
        time: &["@timestamp", "timestamp"],
        says: &["message"],
        why: &["stack_trace"],
        ..Row::EMPTY
    },
    Row {
        id: "serilog",
        name: "Serilog, compact",
        known_by: &[&[Has("@t"), Has("@m")], &[Has("@t"), Has("@mt")]],
        app: &[at("Application"), at("Properties.Application")],
        level: &[("@l", Word)],
        level_else: Some("information"),
        time: &["@t"],
        says: &["@m", "@mt"],
        why: &["@x"],
        ..Row::EMPTY
    },
    Row {
        id: "serilog-full",
        name: "Serilog",
        known_by: &[&[Has("RenderedMessage")], &[Has("MessageTemplate"), Has("Level")]],
        app: &[at("Properties.Application"), at("Application")],
        level: &[("Level", Word)],
        time: &["Timestamp"],
        says: &["RenderedMessage", "MessageTemplate"],
        why: &["Exception"],
        ..Row::EMPTY
    },
    Row {
        id: "dotnet",
        name: ".NET console and NLog",
        known_by: &[&[Has("LogLevel"), Has("Category")], &[Has("Level"), Has("Message")]],
        level: &[("LogLevel", Word), ("Level", Word)],
        time: &["Timestamp", "Time"],
        says: &["Message"],
        why: &["Exception"],
        ..Row::EMPTY
    },
    Row {
        id: "tracing",
        name: "Rust tracing",
        known_by: &[&[Object("fields"), Has("target")], &[Has("fields.message")]],
        level: &[("level", Word)],
        time: &["timestamp"],
        says: &["fields.message"],
        why: &["fields.error"],
        ..Row::EMPTY
    },
    Row {
        id: "python",
        name: "Python logging",
        known_by: &[&[Has("levelname")], &[Has("levelno")]],
        app: &[at("service")],
        level: &[("levelname", Word), ("levelno", Python)],
        time: &["asctime", "timestamp", "created"],
        says: &["message", "msg"],
        why: &["exc_info"],
        ..Row::EMPTY
    },
    Row {
        id: "elasticsearch",
        name: "Elasticsearch and OpenSearch servers",
        known_by: &[&[Has("cluster.name"), Has("node.name")]],
        source: &[at("node.name")],
        level: &[("level", Word), ("log.level", Word)],
        time: &["timestamp", "@timestamp"],
        says: &["message"],
        why: &["stacktrace"],
        ..Row::EMPTY
    },
    Row {
        id: "access",
        name: "Envoy, Istio and nginx access logs",
        known_by: &[
            &[Has("response_code"), Has("start_time")],
            &[Has("response_code_details")],
            &[Has("time_iso8601"), Has("status")],
        ],
        time: &["start_time", "time_iso8601"],
        says: &["response_code_details", "request"],
        ..Row::EMPTY
    },
    Row {
        id: "pino",
        name: "pino and bunyan",
        known_by: &[
            &[Number("level"), Has("pid")],
            &[Number("level"), Has("hostname")],
            &[Number("level"), Number("time")],
            &[Number("level"), Has("v")],
        ],
        app: &[at("name")],
        source: &[at("hostname")],
        level: &[("level", Pino)],
        time: &["time"],
        says: &["msg"],
        why: &["err.message", "err.stack"],
        ..Row::EMPTY
    },
    Row {
        id: "lambda",
        name: "AWS Lambda",
        known_by: &[&[Has("requestId"), Has("level")], &[Has("requestId"), Has("errorMessage")]],
        level: &[("level", Word)],
        time: &["timestamp"],
        says: &["message", "errorMessage"],
        why: &["errorMessage"],
        ..Row::EMPTY
    },
    Row {
        id: "structlog",
        name: "structlog",
        known_by: &[&[Text("event"), Has("level")], &[Text("event"), Has("logger")]],
        level: &[("level", Word)],
        time: &["timestamp"],
        says: &["event"],
        why: &["exception"],
        ..Row::EMPTY
    },
];
