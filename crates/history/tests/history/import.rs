//! Exports that come back: the same bytes, the same ids, and words for what is wrong.

use lockgate_core::Dialect;
use lockgate_history::{Bodies, Exporter, ImportError, ImportLimits, import};
use lockgate_store::memory::Memory;
use lockgate_store::{
    Body, BodyKind, Calls as _, Decision, Details, Offsets, Part, Record, Records as _, SessionFacts,
    Sessions as _, Side, Title, TitleSource, Weaver, Written,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{assistant, now, passed, request, row, says, stream, user};

/// A record as the recorder would write it.
fn record(number: u64, with_session: bool, parts: &Bodies, details: Details) -> Record {
    let mut call = row(number, Dialect::Anthropic, "human");
    if !with_session {
        call.lineage.session = None;
    }
    let mut bodies = Vec::new();
    let mut pieces = Vec::new();
    for part in Part::ALL {
        let Some(bytes) = parts.part(*part) else { continue };
        let woven = Weaver::weave(bytes, &mut |_| false);
        pieces.extend(woven.new_pieces);
        let offsets = Offsets::of([(bytes.len() as u64 / 2, 5), (bytes.len() as u64, 900)]);
        bodies.push(Body {
            head: woven.head,
            kind: BodyKind::Other,
            offsets,
            part: *part,
            size: bytes.len() as u64,
        });
    }
    let session = SessionFacts {
        branch: Some("main".into()),
        cwd: Some("/w".into()),
        repo: None,
        title: Some(Title { source: TitleSource::Edited, text: "A \"title\"".into() }),
    };
    Record { bodies, call, details, pieces, session, texts: Vec::new() }
}

fn stored(records: &[Record]) -> Memory {
    let memory = Memory::new();
    now(memory.write(records)).unwrap();
    memory
}

/// Everything of the store's one session, or of its calls without one.
fn exported(memory: &Memory, ids: &[uuid::Uuid], lines: bool) -> Vec<u8> {
    let session = now(memory.session("4f6d5d8b-d358-43d8-ad13-9dd1f06bac77")).unwrap();
    let session = session.as_ref();
    let mut exporter =
        if lines { Exporter::lines(session, Vec::new()) } else { Exporter::json(session, Vec::new()) }
            .unwrap();
    let mut out = exporter.start();
    for id in ids {
        let call = now(memory.get(*id)).unwrap().unwrap();
        let mut bodies = Bodies::default();
        for body in &call.bodies {
            bodies.set(body.part, now(memory.body(*id, body.part)).unwrap().unwrap());
        }
        out.extend(exporter.call(&call, &bodies).unwrap());
    }
    out.extend(exporter.end());
    out
}

fn imported(bytes: &[u8]) -> Vec<Record> {
    import(bytes, ImportLimits::default()).collect::<Result<_, _>>().unwrap()
}

fn fault(bytes: &[u8]) -> ImportError {
    import(bytes, ImportLimits::default()).find_map(Result::err).expect("something is wrong")
}

/// Requirement 000 C1, behaviour 35.
#[test]
fn a_session_comes_back_in_both_forms_and_a_second_time_changes_nothing() {
    let one = passed(request(&[user("One")]), stream(&says("first answer")));
    let history = [user("One"), assistant(says("first answer")), user("Two")];
    let two = Bodies {
        client_answer: Some(vec![0, 159, 146, 150]),
        ..passed(request(&history), stream(&says("second")))
    };
    let records = [record(1, true, &one, Details::default()), record(2, true, &two, Details::default())];
    let memory = stored(&records);
    let ids: Vec<_> = records.iter().map(|record| record.call.id).collect();
    for lines in [true, false] {
        let bytes = exported(&memory, &ids, lines);
        let again = imported(&bytes);
        let other = Memory::new();
        assert_eq!(now(other.write(&again)).unwrap(), Written { calls: 2, repeated: 0 });
        assert_eq!(exported(&other, &ids, lines), bytes);
        assert_eq!(now(other.write(&again)).unwrap(), Written { calls: 0, repeated: 2 });
        assert_eq!(exported(&other, &ids, lines), bytes);
        let texts: Vec<_> = again
            .iter()
            .flat_map(|record| &record.texts)
            .map(|text| (text.side, text.text.as_str()))
            .collect();
        let expected = [
            (Side::System, "Be brief."),
            (Side::User, "One"),
            (Side::Assistant, "first answer"),
            (Side::User, "Two"),
        ];
        assert_eq!(texts[..4], expected, "what was searchable is searchable again, each text once");
        assert!(again[1].pieces.len() < 8, "what is sent again is not stored again");
    }
}

#[test]
fn a_document_that_somebody_else_formatted_is_read_too() {
    let memory = stored(&[record(1, true, &passed(request(&[user("One")]), Vec::new()), Details::default())]);
    let id = crate::support::id(1);
    let bytes = exported(&memory, &[id], false);
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
        assert_eq!(imported(text.as_bytes())[0].call.id, id);
    }
}

proptest! {
    #[test]
    fn whatever_was_recorded_is_exported_imported_and_exported_as_the_same_bytes(
        calls in prop::collection::vec(prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..400)), 4), 1..4),
        number: f64, words in "\\PC{0,40}", with_session: bool, lines: bool,
    ) {
        prop_assume!(number.is_finite());
        // Calls without a session are exported one by one.
        let count = if with_session { calls.len() } else { 1 };
        let details = Details {
            decisions: vec![Decision { json: json!({"score": number, "why": words}), kind: "policy".into(), version: 1 }],
            ..Details::default()
        };
        let records: Vec<_> = calls.into_iter().take(count).enumerate().map(|(at, parts)| {
            let [one, two, three, four]: [Option<Vec<u8>>; 4] = parts.try_into().unwrap();
            let bodies = Bodies { client_answer: one, client_request: two, upstream_answer: three, upstream_request: four, ..Bodies::default() };
            record(at as u64, with_session, &bodies, details.clone())
        }).collect();
        let ids: Vec<_> = records.iter().map(|record| record.call.id).collect();
        let bytes = exported(&stored(&records), &ids, lines);
        let again = imported(&bytes);
        let other = Memory::new();
        now(other.write(&again)).unwrap();
        prop_assert_eq!(exported(&other, &ids, lines), bytes);
    }

    #[test]
    fn a_damaged_export_is_refused_or_read_and_never_panics(at in 0..4000_usize, byte: u8, cut in 0..4000_usize) {
        let memory = stored(&[record(1, true, &passed(request(&[user("One")]), Vec::new()), Details::default())]);
        for lines in [true, false] {
            let mut bytes = exported(&memory, &[crate::support::id(1)], lines);
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            let _ = import(&bytes, ImportLimits::default()).collect::<Result<Vec<_>, _>>();
        }
    }
}

#[test]
fn what_is_wrong_in_a_file_of_somebody_else_is_told_with_its_line() {
    let both = [
        record(1, true, &passed(request(&[user("One")]), stream(&says("Yes"))), Details::default()),
        record(2, true, &passed(request(&[user("Two")]), stream(&says("Yes"))), Details::default()),
    ];
    let ids = [crate::support::id(1), crate::support::id(2)];
    let memory = stored(&both);
    for lines in [true, false] {
        let text = String::from_utf8(exported(&memory, &ids, lines)).unwrap();
        let said = |from: &str, to: &str| {
            let at = text.rfind(from).unwrap();
            let mut changed = text.clone();
            changed.replace_range(at..at + from.len(), to);
            let error = fault(changed.as_bytes());
            assert_eq!(error.line, 3, "{error}");
            error.to_string()
        };
        let id = ids[1].to_string();
        assert!(said("4f6d5d8b-d358", "4f6d5d8b-d359").contains("belongs to another session"));
        assert!(said(&id, &ids[0].to_string()).contains("is there twice"));
        assert!(said(&id, "4f6d5d8b-d358-43d8-ad13-9dd1f06bac77").contains("no UUIDv7"));
        assert!(said("\"size\":", "\"size\":1").contains("has another size than it says"));
        assert!(said("\"text\":", "\"base64\":").contains("is no base64"));
        assert!(said("\"complete\"", "\"finished\"").contains("not of the form"));
        assert!(said("\"tests\"", "\"te\\u0000sts\"").contains("no text"));
        let other = text.replace("lockgate-session/1", "lockgate-session/2");
        assert!(fault(other.as_bytes()).to_string().starts_with("line 1: this is no session"));
        assert_eq!(fault(b"not an export").line, 1);
        let few = ImportLimits { calls: 1, ..ImportLimits::default() };
        let read: Vec<_> = import(text.as_bytes(), few).collect();
        assert_eq!((read.len(), read[0].is_ok()), (2, true));
        assert!(read[1].as_ref().unwrap_err().to_string().contains("more than 1 calls"));
        let short = ImportLimits { line_bytes: 300, ..ImportLimits::default() };
        assert!(
            import(text.as_bytes(), short)
                .find_map(Result::err)
                .unwrap()
                .to_string()
                .contains("more than 300 bytes")
        );
    }
}
