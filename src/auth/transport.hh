#pragma once

namespace perilune::auth {

// What lies between us and the server; a clear password never travels over Plain.
enum class Transport { Plain, Unix, Tls };

}  // namespace perilune::auth
