#pragma once

#include <string_view>

#include "data/tree.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::script {

// Whether a configuration is a file of apps and no script: by the ending of its name.
bool is_apps_file(std::string_view path) noexcept;

// Reads a file of apps, JSON, YAML or TOML by the ending of its name: a list of what
// lua/apps.lua makes listeners and clusters of, everything checked. A failure names `label`, the
// line and the key.
Result<data::Tree, Failure> read_apps(std::string_view label, std::string_view text);

}  // namespace perilune::script
