#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <utility>

#include "daemon/http_server.hh"
#include "util/clock.hh"

namespace perilune::daemon {

using Json = nlohmann::ordered_json;

// What clients sent may be no text: it is shown as far as it is.
inline HttpResponse json_response(const Json& json, unsigned status = 200) {
  HttpResponse response;
  response.status = status;
  response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

inline HttpResponse problem(unsigned status, std::string what) {
  return json_response({{"error", std::move(what)}}, status);
}

inline double seconds_of(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

// Null where there is nothing.
inline Json text_or_null(const std::string& text) { return text.empty() ? Json{} : Json(text); }

}  // namespace perilune::daemon
