#pragma once

#include "event/loop.hh"
#include "event/task.hh"
#include "event/task_group.hh"
#include "net/address.hh"
#include "session/likeness.hh"
#include "util/clock.hh"

namespace perilune::proto::mysql {

// What a server's greeting says. The handshake is brought to its end by a task left in
// `background`. Throws std::runtime_error, UvError or PeerError when there is no greeting within
// `limit`; each of a name's addresses gets its share of it.
event::Task<session::Likeness> probe(event::Loop& loop, event::TaskGroup& background,
                                     net::Endpoint server, Millis limit);

}  // namespace perilune::proto::mysql
