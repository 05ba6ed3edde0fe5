#pragma once

#include "ctl/commands.hh"

namespace perilune::ctl {

// The busiest sessions over and over, on the whole terminal, until 'q'. Throws Failure.
int show_top(const Wish& wish);

}  // namespace perilune::ctl
