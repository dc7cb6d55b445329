//! What to do about a topic that was deleted and made anew, in words for a person.
//!
//! Kafka deletes what groups committed of a topic with the topic. What a group has of the new one was therefore committed
//! since: by somebody who read on where the old one had ended, or by a tool that copies offsets.

use super::readings::Recreated;

/// `found`: what the group has of the new topic's partitions, by number, when that is known.
pub(super) fn sentence(group: &str, recreated: &Recreated, found: Option<&[(i32, i64)]>) -> String {
    let Recreated { topic, was, is } = recreated;
    let what = format!("topic {topic} was deleted and made anew: its id was {was} and is {is}");
    if found.is_some_and(<[_]>::is_empty) {
        return format!(
            "{what}. Of the new one group {group} has no committed offset, so that a new start reads it from its beginning"
        );
    }
    let place = |(number, offset): &(i32, i64)| format!("offset {offset} of partition {number}");
    let places: Vec<String> = found.unwrap_or_default().iter().map(place).collect();
    let places = if places.is_empty() { "some offset".to_owned() } else { places.join(", ") };
    let reset =
        |to: &str| format!("kafka-consumer-groups.sh --reset-offsets {to} --execute --group {group} --topic {topic}");
    format!(
        "{what}. Of the new one group {group} has committed {places}: there the old one was read on, or it was copied from \
         another cluster; what stands before that in the new one was not read. To read all that it holds, stop all \
         members of the group, run {} and start again; to go on there instead, run {}",
        reset("--to-earliest"),
        reset("--to-current"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::topic_id::TopicId;
    use super::*;

    #[test]
    fn the_advice_fits_what_the_group_has() {
        let [was, is] = ["a", "b"].map(|id| TopicId::new(id).unwrap());
        let recreated = Recreated { topic: "logs".into(), was, is };
        let none = sentence("g", &recreated, Some(&[]));
        assert!(none.ends_with("has no committed offset, so that a new start reads it from its beginning"), "{none}");
        let some = sentence("g", &recreated, Some(&[(0, 1_000), (3, 7)]));
        assert!(some.contains("its id was a and is b"), "{some}");
        assert!(some.contains("committed offset 1000 of partition 0, offset 7 of partition 3: there"), "{some}");
        assert!(some.contains("--reset-offsets --to-earliest --execute --group g --topic logs and start"), "{some}");
        assert!(some.contains("--reset-offsets --to-current --execute --group g --topic logs"), "{some}");
    }
}
