//! A stand-in until the real configuration is merged: reads just what the broker test writes.

use crate::{flow, http, telemetry};
use std::time::Duration;

/// What the stand-in knows.
pub struct Config {
    /// Flow.
    pub flow: flow::Settings,
    /// HTTP.
    pub http: http::Settings,
    /// Logs.
    pub log: telemetry::Settings,
}

/// Reads.
pub fn read(path: &str) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path)?;
    let table = toml::de::DeTable::parse(&text).map_err(|e| anyhow::anyhow!("{e}"))?;
    let table = table.get_ref();
    let get = |section: &str, key: &str| -> Option<String> {
        let value = table.get(section)?.get_ref().get(key)?.get_ref().clone();
        Some(match value {
            toml::de::DeValue::String(text) => text.into_owned(),
            toml::de::DeValue::Boolean(yes) => yes.to_string(),
            toml::de::DeValue::Integer(number) => number.as_str().to_owned(),
            toml::de::DeValue::Array(items) => {
                items.iter().map(|i| i.get_ref().as_str().unwrap_or("").to_owned()).collect::<Vec<_>>().join("\n")
            }
            _ => return None,
        })
    };
    let options = |section: &str| -> Vec<(String, String)> {
        let Some(options) = table.get(section).and_then(|s| s.get_ref().get("options").map(|o| o.get_ref().clone()))
        else {
            return Vec::new();
        };
        options
            .as_table()
            .map(|t| {
                t.iter()
                    .map(|(k, v)| (k.get_ref().to_string(), v.get_ref().as_str().unwrap_or("").to_owned()))
                    .collect()
            })
            .unwrap_or_default()
    };
    Ok(Config {
        flow: flow::Settings {
            kafka: flow::Kafka {
                bootstrap_servers: get("kafka", "bootstrap_servers").unwrap_or_default(),
                group_id: get("kafka", "group_id").unwrap_or("fingerpost".into()),
                create_topics: get("kafka", "create_topics").as_deref() != Some("false"),
                options: options("kafka"),
                secret_options: Vec::new(),
            },
            input: flow::Input {
                topics: get("input", "topics").unwrap_or_default().lines().map(str::to_owned).collect(),
                options: options("input"),
            },
            output: flow::Output {
                topic: get("output", "topic").unwrap_or_default(),
                lines: if get("output", "lines").as_deref() == Some("matched") {
                    flow::Lines::Matched
                } else {
                    flow::Lines::All
                },
                place: if get("output", "where").as_deref() == Some("headers") {
                    flow::Place::Headers
                } else {
                    flow::Place::Value
                },
                source_header_on_all: get("output", "source_header").as_deref() == Some("all"),
                header_limit: 16 << 10,
                options: options("output"),
            },
            delivery: flow::Delivery {
                commit_interval: Duration::from_secs(1),
                shutdown_timeout: Duration::from_secs(5),
                workers: get("delivery", "workers").and_then(|n| n.parse().ok()).unwrap_or(1),
            },
        },
        http: http::Settings {
            listen: get("http", "listen").map(|a| a.parse()).transpose()?,
            ..http::Settings::default()
        },
        log: telemetry::Settings::default(),
    })
}
