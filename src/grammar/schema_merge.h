// One JSON schema for two that must both hold: allOf, and the keywords that stand beside a $ref or anyOf.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace nextn::grammar {

// Keywords of both are made one where that is simple: bounds are narrowed, required lists joined, types and enums
// intersected; of `properties` in both, the values must do both, and a side's additionalProperties say what they say
// about those of the other. Throws Error{kRequest} naming path and keyword where it is not simple.
nlohmann::ordered_json merge_schemas(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b,
                                     const std::string& path);

// Says nothing about what is valid.
bool is_annotation(const std::string& keyword);

}  // namespace nextn::grammar
