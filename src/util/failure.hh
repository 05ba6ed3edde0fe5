#pragma once

#include <string>

namespace perilune {

// Why something that may well fail did fail, in words for the admin or the author of a script.
struct Failure {
  std::string message;
};

}  // namespace perilune
