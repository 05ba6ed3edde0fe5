#include "proto/postgres/own_answers.hh"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "wire/postgres/authentication.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/sql.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;
using session::ResultTable;
using wire::BackendTag;
using wire::FrontendTag;

namespace {

// Of a session: what a client that never closes any cannot go beyond.
constexpr std::size_t kMostStatements = 16384;

wire::ResultRows rows_of(const ResultTable& table) { return {table.columns, table.rows}; }

void append_columns(Buffer& out, bool has_rows, const std::vector<wire::ResultColumn>& columns) {
  if (!has_rows) {
    wire::append_message(out, BackendTag::NoData);
  } else {
    wire::append_row_description(out, columns);
  }
}

std::string_view text_of_query(Bytes body) noexcept {
  const auto text = wire::decode_query(body);
  return text ? *text : std::string_view{};
}

}  // namespace

Fault usual_refusal() {
  return postgres::error(sqlstate::kInsufficientPrivilege, "the statement is not allowed");
}

void OwnAnswers::write(Bytes messages) {
  client_.write(messages);
  session_.traffic.from_server += messages.size();
  session_.metrics().server_bytes.add(messages.size());
}

void OwnAnswers::error(const Fault& fault) {
  Buffer message;
  append_fault(message, fault);
  write(message);
  outcome_ = {};
  outcome_.error = fault;
}

bool OwnAnswers::fail(std::string_view sql_state, std::string message) {
  error(postgres::error(sql_state, std::move(message)));
  return false;
}

void OwnAnswers::ready(wire::TransactionStatus status) {
  Buffer message;
  wire::append_ready_for_query(message, status);
  write(message);
}

void OwnAnswers::forget_all() noexcept {
  statements_.clear();
  portals_.clear();
}

// --- Query

void OwnAnswers::answer_query(Bytes body, const session::StatementDecision& decision) {
  last_verb_.clear();
  outcome_ = {};
  if (const auto* refused = std::get_if<session::Refuse>(&decision)) {
    return error(refusal(*refused, usual_refusal()));
  }
  Buffer out;
  last_verb_ = wire::first_word(text_of_query(body));
  if (const auto* table = std::get_if<Table>(&decision)) {
    wire::append_result(out, rows_of(**table));
    outcome_.rows = (*table)->rows.size();
  } else if (const auto* success = std::get_if<session::Succeed>(&decision)) {
    wire::append_command_complete(out, wire::command_tag(last_verb_, success->affected_rows));
    outcome_.affected = success->affected_rows;
  }
  write(out);
}

// --- Parse

bool OwnAnswers::prepare(Bytes body, const session::StatementDecision& decision) {
  outcome_ = {};
  if (const auto* refused = std::get_if<session::Refuse>(&decision)) {
    error(refusal(*refused, usual_refusal()));
    return false;
  }
  const wire::Parse parse = *wire::decode_parse(body);
  if (statements_.size() >= kMostStatements) {
    return fail(sqlstate::kOutOfMemory, "too many prepared statements in this session");
  }
  Statement statement;
  statement.parameters = std::max(wire::count_parameters(parse.text), parse.parameters);
  statement.verb = wire::first_word(parse.text);
  if (const auto* table = std::get_if<Table>(&decision)) {
    statement.table = *table;
  } else if (const auto* success = std::get_if<session::Succeed>(&decision)) {
    statement.tag = wire::command_tag(statement.verb, success->affected_rows);
    statement.affected = success->affected_rows;
  }
  statements_[std::string(parse.name)] = std::make_shared<const Statement>(std::move(statement));
  Buffer out;
  wire::append_message(out, BackendTag::ParseComplete);
  write(out);
  return true;
}

// --- what names them

bool OwnAnswers::is_ours(FrontendTag tag, Bytes body) const {
  if (tag == FrontendTag::Bind) {
    const auto message = wire::decode_bind(body);
    return message && statements_.contains(message->statement);
  }
  if (tag == FrontendTag::Execute) {
    const auto message = wire::decode_execute(body);
    return message && portals_.contains(message->portal);
  }
  const auto message = wire::decode_named(body);
  if (!message) return false;
  return message->target == wire::Target::Statement ? statements_.contains(message->name)
                                                    : portals_.contains(message->name);
}

void OwnAnswers::replaced_by_server(FrontendTag tag, Bytes body) {
  const auto forget = [](auto& map, std::string_view name) {
    const auto found = map.find(name);
    if (found != map.end()) map.erase(found);
  };
  if (tag == FrontendTag::Parse) {
    if (const auto message = wire::decode_parse(body)) forget(statements_, message->name);
  } else if (tag == FrontendTag::Bind) {
    if (const auto message = wire::decode_bind(body)) forget(portals_, message->portal);
  } else if (tag == FrontendTag::Query) {
    // A simple query ends the unnamed ones.
    forget(statements_, {});
    forget(portals_, {});
  }
}

bool OwnAnswers::answer_named(FrontendTag tag, Bytes body) {
  outcome_ = {};
  switch (tag) {
    case FrontendTag::Bind:
      return bind(body);
    case FrontendTag::Describe:
      return describe(body);
    case FrontendTag::Execute:
      return execute(body);
    default:
      return close(body);
  }
}

bool OwnAnswers::bind(Bytes body) {
  const auto message = wire::decode_bind(body);
  if (!message) return fail(sqlstate::kProtocolViolation, "invalid message format");
  const auto found = statements_.find(message->statement);
  if (found == statements_.end()) {
    return fail(sqlstate::kUndefinedPreparedStatement, "the prepared statement does not exist");
  }
  if (portals_.size() >= kMostStatements) {
    return fail(sqlstate::kOutOfMemory, "too many portals in this session");
  }
  Portal portal;
  portal.statement = found->second;
  if (portal.statement->table) {
    portal.columns = wire::describe_columns(rows_of(*portal.statement->table));
    for (std::size_t i = 0; i < portal.columns.size(); ++i) {
      portal.columns[i].is_binary = message->wants_binary(i);
    }
  }
  portals_[std::string(message->portal)] = std::move(portal);
  Buffer out;
  wire::append_message(out, BackendTag::BindComplete);
  write(out);
  return true;
}

bool OwnAnswers::describe(Bytes body) {
  const auto message = wire::decode_named(body);
  if (!message) return fail(sqlstate::kProtocolViolation, "invalid message format");
  Buffer out;
  if (message->target == wire::Target::Portal) {
    const auto portal = portals_.find(message->name);
    if (portal == portals_.end()) {
      return fail(sqlstate::kInvalidCursorName, "the portal does not exist");
    }
    append_columns(out, portal->second.statement->table != nullptr, portal->second.columns);
  } else {
    const auto statement = statements_.find(message->name);
    if (statement == statements_.end()) {
      return fail(sqlstate::kUndefinedPreparedStatement, "the prepared statement does not exist");
    }
    const Statement& described = *statement->second;
    wire::append_parameter_description(out, described.parameters);
    std::vector<wire::ResultColumn> columns;
    if (described.table) columns = wire::describe_columns(rows_of(*described.table));
    append_columns(out, described.table != nullptr, columns);
  }
  write(out);
  return true;
}

bool OwnAnswers::execute(Bytes body) {
  const auto message = wire::decode_execute(body);
  if (!message) return fail(sqlstate::kProtocolViolation, "invalid message format");
  const auto found = portals_.find(message->portal);
  if (found == portals_.end()) {
    return fail(sqlstate::kInvalidCursorName, "the portal does not exist");
  }
  Portal& portal = found->second;
  last_verb_ = portal.statement->verb;
  Buffer out;
  if (portal.statement->table) {
    append_rows(out, portal, message->max_rows);
  } else {
    wire::append_command_complete(out, portal.statement->tag);
    outcome_.affected = portal.statement->affected;
  }
  write(out);
  return true;
}

void OwnAnswers::append_rows(Buffer& out, Portal& portal, std::size_t max_rows) {
  const auto& rows = portal.statement->table->rows;
  const std::size_t left = rows.size() - portal.next_row;
  const std::size_t count = max_rows == 0 ? left : std::min(left, max_rows);
  wire::append_data_rows(out, portal.columns, std::span{rows}.subspan(portal.next_row, count));
  portal.next_row += count;
  outcome_.rows = count;
  if (max_rows > 0 && count == max_rows) {
    wire::append_message(out, BackendTag::PortalSuspended);
  } else {
    wire::append_command_complete(out, wire::command_tag("SELECT", count));
  }
}

bool OwnAnswers::close(Bytes body) {
  const auto message = wire::decode_named(body);
  if (!message) return fail(sqlstate::kProtocolViolation, "invalid message format");
  if (message->target == wire::Target::Portal) {
    const auto found = portals_.find(message->name);
    if (found != portals_.end()) portals_.erase(found);
  } else {
    const auto found = statements_.find(message->name);
    if (found != statements_.end()) statements_.erase(found);
  }
  Buffer out;
  wire::append_message(out, BackendTag::CloseComplete);
  write(out);
  return true;
}

}  // namespace perilune::proto::postgres
