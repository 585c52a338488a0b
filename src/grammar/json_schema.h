// JSON Schema (Draft 2020-12), the part that structured outputs use, as a grammar of the JSON texts that are valid.
//
//   type            also a list; without it, the one type that the other keywords speak of, else any value
//   object          properties in the schema's order, those not required may be left out, additional ones come last.
//                   additionalProperties: where it is missing and there are `properties`, there are no others (the
//                   standard would allow them), as usual for structured outputs; without `properties` any object.
//                   `required` names that are no properties come after those that are, by name
//   array           items, prefixItems, minItems, maxItems; prefixItems alone make a tuple: all of them, no more
//   string          minLength, maxLength, or pattern (regex.h, found anywhere but for ^ and $), or format
//   (json_formats.h) integer, number minimum, maximum, exclusiveMinimum, exclusiveMaximum, exact; integers are written
//   without a point enum, const     any JSON values; of `type`, if there is one anyOf, oneOf    one of these (oneOf is
//   not checked to be one only), each together with the keywords beside it allOf, $ref     with keywords beside it:
//   merged (schema_merge.h). $ref to # and #/..., recursion too not looked at   title, description, default, examples,
//   deprecated, readOnly, writeOnly, $schema, $id, $comment, x-...
//
// Every other keyword is refused by name, so that nothing is promised that is not kept. How the text is written
// (whitespace, digits): json_text.h. Keys, and strings of pattern, format, enum and const, are escaped only where they
// have to be; other strings in any way.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "grammar/grammar.h"

namespace nextn::grammar {

// Throws Error{kRequest} "json_schema.properties.a.not: expected ..., found ...".
std::shared_ptr<const Grammar> parse_json_schema(const nlohmann::ordered_json& schema);

// Any JSON object.
std::shared_ptr<const Grammar> json_object_grammar();

}  // namespace nextn::grammar
