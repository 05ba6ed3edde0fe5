#pragma once

#include <string_view>

namespace perilune::sinks {

// Sends bytes that are too many for a datagram as a sealed file in memory, as the journal takes
// them. Returns 0 or an error.
int send_as_file(int socket, std::string_view bytes) noexcept;

}  // namespace perilune::sinks
