//! A checker for the part of JSON Schema 2020-12 that the schemas in `docs/reference/json` use. A keyword that it does
//! not know is an error, so that nothing goes unchecked.

use serde_json::{Map, Value};

/// What says nothing about values. Formats are those of numbers, whose ranges are checked by `minimum`.
const WITHOUT_EFFECT: [&str; 7] = ["$schema", "$defs", "title", "description", "format", "default", "examples"];

/// Where and how a value breaks a schema; empty where it does not.
pub fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Checker { root: schema }.check(schema, value, "", &mut found);
    found
}

struct Checker<'s> {
    root: &'s Value,
}

impl Checker<'_> {
    fn holds(&self, schema: &Value, value: &Value) -> bool {
        let mut found = Vec::new();
        self.check(schema, value, "", &mut found);
        found.is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let fields = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return found.push(format!("{at}: is not described")),
            Value::Object(fields) => fields,
            other => panic!("no schema: {other}"),
        };
        for (keyword, wanted) in fields {
            match keyword.as_str() {
                "type" => {
                    let types: Vec<&str> = match wanted {
                        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
                        one => one.as_str().into_iter().collect(),
                    };
                    if !types.iter().any(|name| is_of_type(name, value)) {
                        found.push(format!("{at}: {value} is no {types:?}"));
                    }
                }
                "enum" if !wanted.as_array().unwrap().contains(value) => {
                    found.push(format!("{at}: {value} is none of {wanted}"));
                }
                "const" if wanted != value => found.push(format!("{at}: {value} is not {wanted}")),
                "minimum" if value.as_f64().is_some_and(|number| number < wanted.as_f64().unwrap()) => {
                    found.push(format!("{at}: {value} is below {wanted}"));
                }
                "maximum" if value.as_f64().is_some_and(|number| number > wanted.as_f64().unwrap()) => {
                    found.push(format!("{at}: {value} is above {wanted}"));
                }
                "minItems" | "maxItems" => {
                    let (items, limit) = (value.as_array().map_or(0, Vec::len), wanted.as_u64().unwrap() as usize);
                    if value.is_array() && (if keyword == "minItems" { items < limit } else { items > limit }) {
                        found.push(format!("{at}: {items} items, {keyword} is {limit}"));
                    }
                }
                "uniqueItems" => {
                    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                    if (1..items.len()).any(|i| items[..i].contains(&items[i])) {
                        found.push(format!("{at}: an item is there twice"));
                    }
                }
                "required" => {
                    let Value::Object(object) = value else { continue };
                    let names = wanted.as_array().unwrap().iter().filter_map(Value::as_str);
                    found.extend(
                        names.filter(|name| !object.contains_key(*name)).map(|name| format!("{at}: no {name}")),
                    );
                }
                "properties" | "additionalProperties"
                    if keyword == "properties" || !fields.contains_key("properties") =>
                {
                    self.check_fields(fields, value, at, found);
                }
                "items" | "prefixItems" if keyword == "prefixItems" || !fields.contains_key("prefixItems") => {
                    self.check_items(fields, value, at, found);
                }
                "$ref" => self.check(self.referred(wanted), value, at, found),
                "anyOf" | "oneOf" => {
                    let schemas = wanted.as_array().unwrap();
                    let fitting = schemas.iter().filter(|schema| self.holds(schema, value)).count();
                    if fitting == 0 {
                        found.push(format!("{at}: fits none of {keyword}"));
                        // The nearest one says why.
                        let tries = schemas.iter().map(|schema| {
                            let mut inner = Vec::new();
                            self.check(schema, value, at, &mut inner);
                            inner
                        });
                        found.extend(tries.min_by_key(Vec::len).unwrap_or_default());
                    } else if fitting > 1 && keyword == "oneOf" {
                        found.push(format!("{at}: fits {fitting} of oneOf"));
                    }
                }
                "allOf" => wanted.as_array().unwrap().iter().for_each(|schema| self.check(schema, value, at, found)),
                "enum" | "const" | "minimum" | "maximum" | "additionalProperties" | "items" => {}
                known if WITHOUT_EFFECT.contains(&known) => {}
                unknown => panic!("{at}: the checker does not know the keyword {unknown}"),
            }
        }
    }

    fn check_fields(&self, schema: &Map<String, Value>, value: &Value, at: &str, found: &mut Vec<String>) {
        let Value::Object(object) = value else { return };
        for (name, inner) in object {
            let described = schema.get("properties").and_then(|properties| properties.get(name));
            let wanted = described.or(schema.get("additionalProperties")).unwrap_or(&Value::Bool(true));
            self.check(wanted, inner, &format!("{at}.{name}"), found);
        }
    }

    fn check_items(&self, schema: &Map<String, Value>, value: &Value, at: &str, found: &mut Vec<String>) {
        let Value::Array(items) = value else { return };
        let first = schema.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let rest = schema.get("items").unwrap_or(&Value::Bool(true));
        for (i, item) in items.iter().enumerate() {
            self.check(first.get(i).unwrap_or(rest), item, &format!("{at}[{i}]"), found);
        }
    }

    fn referred(&self, reference: &Value) -> &Value {
        let path = reference.as_str().and_then(|reference| reference.strip_prefix('#')).unwrap();
        self.root.pointer(path).unwrap_or_else(|| panic!("no {reference}"))
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("no type {unknown}"),
    }
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let schema = serde_json::json!({
        "type": "object",
        "properties": {
            "a": { "type": ["integer", "null"], "minimum": 0 },
            "b": { "anyOf": [{ "$ref": "#/$defs/word" }, { "type": "null" }] },
            "c": { "type": "array", "prefixItems": [{ "type": "string" }, { "type": "string" }], "minItems": 2, "maxItems": 2 },
        },
        "required": ["a"],
        "additionalProperties": false,
        "$defs": { "word": { "enum": ["x", "y"] } },
    });
    let count = |value| violations(&schema, &value).len();
    assert_eq!(count(serde_json::json!({ "a": 1, "b": "x", "c": ["p", "q"] })), 0);
    assert_eq!(count(serde_json::json!({ "a": null, "b": null })), 0);
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({ "a": -1 }),
        serde_json::json!({ "a": 1.5 }),
        serde_json::json!({ "a": 1, "more": 1 }),
        serde_json::json!({ "a": 1, "b": "z" }),
        serde_json::json!({ "a": 1, "c": ["p"] }),
        serde_json::json!({ "a": 1, "c": ["p", 1] }),
        serde_json::json!([]),
    ] {
        assert!(count(wrong.clone()) > 0, "{wrong}");
    }
}
