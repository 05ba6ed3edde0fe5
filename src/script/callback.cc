#include "script/callback.hh"

namespace perilune::script {

std::string Callback::expectation() const {
  std::string text = may_proceed ? "nothing" : "";
  for (std::size_t i = 0; i < kActionNames.size(); ++i) {
    if ((allowed & 1U << i) == 0) continue;
    const bool is_last = allowed >> (i + 1) == 0;
    if (!text.empty()) text += is_last ? " or " : ", ";
    text += kActionNames[i];
  }
  return text;
}

}  // namespace perilune::script
