#pragma once

// wire/mysql: the client/server protocol of MySQL and MariaDB. Numbers as in the MySQL source code
// documentation ("Client/Server Protocol", its groups "Capabilities Flags", "Status Flags",
// "Command Phase") and MariaDB's "Clients & Connectors: Client/Server Protocol" where it differs.

#include <cstddef>
#include <cstdint>

namespace perilune::wire::mysql {

// "Command Phase". MariaDB gives 30 and up its own meanings: 30 is unused, 32–249 a gap.
enum class Command : std::uint8_t {
  Sleep = 0,
  Quit = 1,
  InitDb = 2,
  Query = 3,
  FieldList = 4,
  CreateDb = 5,
  DropDb = 6,
  Refresh = 7,
  Shutdown = 8,
  Statistics = 9,
  ProcessInfo = 10,
  Connect = 11,
  ProcessKill = 12,
  Debug = 13,
  Ping = 14,
  Time = 15,
  DelayedInsert = 16,
  ChangeUser = 17,
  BinlogDump = 18,
  TableDump = 19,
  ConnectOut = 20,
  RegisterSlave = 21,
  StmtPrepare = 22,
  StmtExecute = 23,
  StmtSendLongData = 24,
  StmtClose = 25,
  StmtReset = 26,
  SetOption = 27,
  StmtFetch = 28,
  Daemon = 29,
  BinlogDumpGtid = 30,
  ResetConnection = 31,
  Clone = 32,
  SubscribeGroupReplicationStream = 33,
  StmtBulkExecute = 250,
  SlaveWorker = 251,
  SlaveIo = 252,
  SlaveSql = 253,
  Multi = 254,
  End = 255,
};

// "Capabilities Flags". The upper 32 bits are MariaDB's ("Connection: Capabilities"), which travel
// in bytes that MySQL reserves, and only if kMysql is not set.
namespace capability {

inline constexpr std::uint64_t kMysql = 1;  // CLIENT_LONG_PASSWORD; MariaDB leaves it out
inline constexpr std::uint64_t kFoundRows = 1U << 1;
inline constexpr std::uint64_t kLongFlag = 1U << 2;
inline constexpr std::uint64_t kConnectWithDb = 1U << 3;
inline constexpr std::uint64_t kNoSchema = 1U << 4;
inline constexpr std::uint64_t kCompress = 1U << 5;
inline constexpr std::uint64_t kOdbc = 1U << 6;
inline constexpr std::uint64_t kLocalFiles = 1U << 7;
inline constexpr std::uint64_t kIgnoreSpace = 1U << 8;
inline constexpr std::uint64_t kProtocol41 = 1U << 9;
inline constexpr std::uint64_t kInteractive = 1U << 10;
inline constexpr std::uint64_t kSsl = 1U << 11;
inline constexpr std::uint64_t kIgnoreSigpipe = 1U << 12;
inline constexpr std::uint64_t kTransactions = 1U << 13;
inline constexpr std::uint64_t kReserved = 1U << 14;
inline constexpr std::uint64_t kSecureConnection = 1U << 15;  // RESERVED2 since MySQL 5.5
inline constexpr std::uint64_t kMultiStatements = 1U << 16;
inline constexpr std::uint64_t kMultiResults = 1U << 17;
inline constexpr std::uint64_t kPsMultiResults = 1U << 18;
inline constexpr std::uint64_t kPluginAuth = 1U << 19;
inline constexpr std::uint64_t kConnectAttributes = 1U << 20;
inline constexpr std::uint64_t kPluginAuthLenencData = 1U << 21;
inline constexpr std::uint64_t kCanHandleExpiredPasswords = 1U << 22;
inline constexpr std::uint64_t kSessionTrack = 1U << 23;
inline constexpr std::uint64_t kDeprecateEof = 1U << 24;
inline constexpr std::uint64_t kOptionalResultsetMetadata = 1U << 25;
inline constexpr std::uint64_t kZstdCompression = 1U << 26;
inline constexpr std::uint64_t kQueryAttributes = 1U << 27;
inline constexpr std::uint64_t kMultiFactorAuthentication = 1U << 28;
inline constexpr std::uint64_t kCapabilityExtension = 1U << 29;  // old MariaDB: PROGRESS_OBSOLETE
inline constexpr std::uint64_t kSslVerifyServerCert = 1U << 30;
inline constexpr std::uint64_t kRememberOptions = 1U << 31;

inline constexpr std::uint64_t kMariadbProgress = std::uint64_t{1} << 32;
inline constexpr std::uint64_t kMariadbMulti = std::uint64_t{1} << 33;
inline constexpr std::uint64_t kMariadbStmtBulkOperations = std::uint64_t{1} << 34;
inline constexpr std::uint64_t kMariadbExtendedTypeInfo = std::uint64_t{1} << 35;
inline constexpr std::uint64_t kMariadbCacheMetadata = std::uint64_t{1} << 36;
inline constexpr std::uint64_t kMariadbBulkUnitResults = std::uint64_t{1} << 37;

}  // namespace capability

// "Status Flags", SERVER_STATUS_flags_enum.
namespace status {

inline constexpr std::uint16_t kInTransaction = 1U << 0;
inline constexpr std::uint16_t kAutocommit = 1U << 1;
inline constexpr std::uint16_t kMoreResultsExist = 1U << 3;
inline constexpr std::uint16_t kNoGoodIndexUsed = 1U << 4;
inline constexpr std::uint16_t kNoIndexUsed = 1U << 5;
inline constexpr std::uint16_t kCursorExists = 1U << 6;
inline constexpr std::uint16_t kLastRowSent = 1U << 7;
inline constexpr std::uint16_t kDbDropped = 1U << 8;
inline constexpr std::uint16_t kNoBackslashEscapes = 1U << 9;
inline constexpr std::uint16_t kMetadataChanged = 1U << 10;
inline constexpr std::uint16_t kQueryWasSlow = 1U << 11;
inline constexpr std::uint16_t kPsOutParams = 1U << 12;
inline constexpr std::uint16_t kInTransactionReadonly = 1U << 13;
inline constexpr std::uint16_t kSessionStateChanged = 1U << 14;

}  // namespace status

// The server's errors that a proxy says or looks at ("MySQL Error Message Reference").
enum class ErrorCode : std::uint16_t {
  TooManyConnections = 1040,        // 08004
  OutOfResources = 1041,            // HY000
  BadHandshake = 1043,              // 08S01
  DatabaseAccessDenied = 1044,      // 42000
  AccessDenied = 1045,              // 28000
  UnknownCommand = 1047,            // 08S01
  BadDatabase = 1049,               // 42000
  ServerShutdown = 1053,            // 08S01
  NoSuchThread = 1094,              // HY000
  KillDenied = 1095,                // HY000
  UnknownError = 1105,              // HY000
  HostIsBlocked = 1129,             // HY000
  HostNotPrivileged = 1130,         // HY000
  NotAllowedCommand = 1148,         // 42000
  PacketTooLarge = 1153,            // 08S01
  PacketsOutOfOrder = 1156,         // 08S01
  UnknownSystemVariable = 1193,     // HY000
  NotSupportedYet = 1235,           // 42000
  UnknownStatement = 1243,          // HY000
  NotSupportedAuthMode = 1251,      // 08004
  QueryInterrupted = 1317,          // 70100
  TooManyParameters = 1390,         // HY000
  TooManyStatements = 1461,         // 42000
  MalformedPacket = 1835,           // HY000
  ConnectionKilled = 1927,          // 70100, MariaDB
  ServerGone = 2006,                // of the client library
  ServerLost = 2013,                // of the client library
  SecureTransportRequired = 3159,   // HY000, MySQL 5.7
  ClientInteractionTimeout = 4031,  // HY000, MySQL 8.0.24
};

inline constexpr std::uint8_t kProtocolVersion = 10;
inline constexpr std::size_t kHeaderSize = 4;
// A packet of this size is continued by the next one ("Sending More Than 16Mb").
inline constexpr std::uint32_t kMaxPacket = 0xFFFFFF;
inline constexpr std::size_t kScrambleSize = 20;

// First bytes of replies ("Generic Response Packets").
inline constexpr std::uint8_t kOkHeader = 0x00;
inline constexpr std::uint8_t kAuthMoreDataHeader = 0x01;
inline constexpr std::uint8_t kLocalFileHeader = 0xFB;
inline constexpr std::uint8_t kEofHeader = 0xFE;
inline constexpr std::uint8_t kErrHeader = 0xFF;

// An EOF packet is shorter than a row that begins with an 8-byte length.
inline constexpr std::size_t kEofBelow = 9;
// How a replica's acknowledgement begins ("Semi-Sync Replication").
inline constexpr std::uint8_t kSemiSyncAck = 0xEF;

// In place of an error code: a MariaDB progress report ("ERR_Packet").
inline constexpr std::uint16_t kProgressReport = 0xFFFF;

// No field of a login is longer; the servers' own bounds are below these.
inline constexpr std::size_t kMaxUserName = 512;
inline constexpr std::size_t kMaxDatabaseName = 512;
inline constexpr std::size_t kMaxPluginName = 128;
inline constexpr std::size_t kMaxAuthAnswer = 0xFFFF;
inline constexpr std::size_t kMaxConnectAttributes = 0xFFFF;

}  // namespace perilune::wire::mysql
