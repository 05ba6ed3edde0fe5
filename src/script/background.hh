#pragma once

#include "event/task.hh"

namespace perilune::script {

class Host;

// Calls a function of the script, by its reference, for nobody's session: for a notification, for
// example. It is subject to callback_timeout; what fails is logged under `name`, a literal. Not from
// inside Lua.
event::Task<> call_in_background(Host& host, const char* name, int function);

}  // namespace perilune::script
