#pragma once

// "COM_STMT_EXECUTE" and MariaDB's "COM_STMT_BULK_EXECUTE": what a client binds to the parameters
// of a prepared statement ("Binary Protocol Value").

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "util/bytes.hh"
#include "util/value.hh"

namespace perilune::wire::mysql {

// As sent: "enum_field_types", and 0x8000 for unsigned.
using ParameterType = std::uint16_t;

struct BoundParameters {
  std::vector<std::vector<BoundValue>> rows;  // one; of bulk: any number
  bool cut = false;  // the payload ended, or could not be understood further
};

// The payload of COM_STMT_EXECUTE, maybe only its beginning, for a statement of so many parameters.
// `types` are those sent last, and become those that are sent here. `long_data` was sent before by
// COM_STMT_SEND_LONG_DATA.
BoundParameters decode_execute(Bytes payload, std::uint16_t count,
                               std::vector<ParameterType>& types,
                               const std::map<std::uint16_t, std::string>& long_data);

// Likewise of COM_STMT_BULK_EXECUTE. DEFAULT and IGNORE become NULL.
BoundParameters decode_bulk(Bytes payload, std::uint16_t count, std::vector<ParameterType>& types);

}  // namespace perilune::wire::mysql
