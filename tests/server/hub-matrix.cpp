// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who may say what, and when: every event from every role in every state gets
// the answer that stands here, and nobody hears of it who is not part of it.
#include "hub-fixture.hpp"

using namespace robotlive;
using namespace robotlive::server;

namespace {

enum Role
{
  viewer,
  robot,
  admin,
  anonymous, // where everybody is let in
  roles
};

enum State
{
  unregistered,
  registered, // in no session
  booked,     // and the viewer may begin one
  in_session, // with the one it speaks to
  elsewhere,  // a session, but of others than the one it speaks to
  over,       // the session has ended
  states
};

const char *const role_names[] = {"viewer", "robot", "admin", "anonymous"};
const char *const state_names[] = {
    "unregistered", "registered", "booked", "in session", "elsewhere", "over"};

// An answer: ok, an error's code, or
constexpr char ok[] = "";
constexpr char waits[] = "-"; // until it has registered
constexpr char closed[] = "closed";
constexpr char forbidden[] = "forbidden";
constexpr char bad[] = "bad-message";
constexpr char unbooked[] = "no-active-booking";

struct Row
{
  const char *event;
  const char *payload; // OTHER: whom it speaks to. PEER: the session's id
  const char *answers[roles][states];
};

// The columns are the states, the lines the roles.
const Row rows[] = {
    {"offer", R"({"to":"r1","offer":{"type":"offer","sdp":"v=0"}})",
        {{waits, unbooked, ok, ok, unbooked, unbooked},
            {waits, forbidden, forbidden, forbidden, forbidden, forbidden},
            {waits, ok, ok, ok, ok, ok}, {waits, ok, ok, ok, ok, ok}}},
    {"answer", R"({"to":"OTHER","answer":{"type":"answer","sdp":"v=0"}})",
        {{waits, forbidden, forbidden, forbidden, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, forbidden, forbidden, forbidden},
            {waits, forbidden, forbidden, forbidden, forbidden, forbidden}}},
    {"ice-candidate", R"({"to":"OTHER","candidate":null})",
        {{waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden}}},
    // By the session's id: it is exact, whatever "to" says, and no key for
    // those who are not in it.
    {"ice-candidate", R"({"to":"OTHER","candidate":null,"peerId":"PEER"})",
        {{waits, forbidden, forbidden, ok, ok, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, ok, forbidden},
            {waits, forbidden, forbidden, ok, ok, forbidden}}},
    {"leave", R"({"to":"OTHER"})",
        {{waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden}}},
    {"picture-limit", R"({"to":"OTHER","limit":"loss"})",
        {{waits, forbidden, forbidden, forbidden, forbidden, forbidden},
            {waits, forbidden, forbidden, ok, forbidden, forbidden},
            {waits, forbidden, forbidden, forbidden, forbidden, forbidden},
            {waits, forbidden, forbidden, forbidden, forbidden, forbidden}}},
    {"join-room", R"({"roomId":"r1"})",
        {{waits, forbidden, ok, ok, forbidden, forbidden},
            {waits, ok, ok, ok, ok, ok}, {waits, ok, ok, ok, ok, ok},
            {waits, ok, ok, ok, ok, ok}}},
    {"join-room", R"({"roomId":"robot_pi_someone"})",
        {{waits, forbidden, forbidden, forbidden, forbidden, forbidden},
            {waits, ok, ok, ok, ok, ok}, {waits, ok, ok, ok, ok, ok},
            {waits, ok, ok, ok, ok, ok}}},
    {"no-such", "{}",
        {{waits, bad, bad, bad, bad, bad}, {waits, bad, bad, bad, bad, bad},
            {waits, bad, bad, bad, bad, bad},
            {waits, bad, bad, bad, bad, bad}}},
    {"session-ended", R"({"peerId":"PEER","reason":"expired"})",
        {{waits, bad, bad, bad, bad, bad}, {waits, bad, bad, bad, bad, bad},
            {waits, bad, bad, bad, bad, bad},
            {waits, bad, bad, bad, bad, bad}}},
    {"register", R"({"userId":"other","userType":"viewer"})",
        {{closed, forbidden, forbidden, forbidden, forbidden, forbidden},
            {closed, forbidden, forbidden, forbidden, forbidden, forbidden},
            {closed, forbidden, forbidden, forbidden, forbidden, forbidden},
            {ok, forbidden, forbidden, forbidden, forbidden, forbidden}}},
    {"register", R"({"userId":"other","userType":"robot"})",
        {{closed, forbidden, forbidden, forbidden, forbidden, forbidden},
            {closed, forbidden, forbidden, forbidden, forbidden, forbidden},
            {closed, forbidden, forbidden, forbidden, forbidden, forbidden},
            {ok, forbidden, forbidden, forbidden, forbidden, forbidden}}},
};

// One cell: a world in that state, and the event in it.
class Cell
{
public:
  Cell (const Row &row, Role role, State state)
      : row_ (row), role_ (role), state_ (state)
  {
    w_.config.allow_anonymous = role == anonymous;
    w_.hub->set_config (w_.config);
    w_.join ("viewer", "b");
    r1_ = w_.join ("robot", "r1");
    r2_ = w_.join ("robot", "r2");
    if (role == robot && state == unregistered)
      speaker_ = w_.connect ("robot:r3");
    else if (state == unregistered)
      speaker_ = w_.connect (token ());
    else
      viewer_ = join ();
    if (state != unregistered)
      speaker_ = role == robot ? r1_ : viewer_;
    if (state == booked) {
      w_.book ("x", -1000, 60000, "r1", "");
      w_.hub->recheck ("x", w_.backend.now);
    } else if (state >= in_session) {
      open_session ();
    }
  }

  void run ()
  {
    std::string payload = row_.payload;
    replace (payload, "OTHER", role_ == robot ? "x" : "r1");
    replace (payload, "PEER", peer_);
    w_.sockets.acks.clear ();
    w_.sockets.sent.clear ();
    w_.sockets.disconnected.clear ();
    w_.send (speaker_, row_.event, payload);
    check (row_.answers[role_][state_]);
  }

private:
  std::string token () const
  {
    return role_ == anonymous ? "" : role_ == admin ? "admin:x" : "viewer:x";
  }
  SocketId join ()
  {
    SocketId socket = w_.connect (token ());
    w_.send (socket, "register", R"({"userId":"x","userType":"viewer"})");
    return socket;
  }
  void open_session ()
  {
    std::string with = state_ == elsewhere ? "r2" : "r1";
    w_.book ("x", -1000, 60000, with, "");
    w_.offer (viewer_, with);
    ASSERT_EQ (w_.hub->sessions ().size (), 1u);
    peer_ = w_.peer_id ();
    if (state_ != over)
      return;
    w_.backend.bookings.clear ();
    w_.hub->recheck_all (w_.backend.now);                   // what was booked
    w_.hub->end_session (peer_, "revoked", w_.backend.now); // an admin's
    w_.pass (w_.config.late_ms + 1);
    ASSERT_TRUE (w_.hub->sessions ().empty ());
  }
  static void replace (
      std::string &text, const std::string &what, const std::string &by)
  {
    std::size_t at = text.find (what);
    if (at != std::string::npos)
      text.replace (at, what.size (), by);
  }
  void check (const std::string &want)
  {
    if (want == waits) {
      EXPECT_TRUE (w_.sockets.acks.empty ());
      EXPECT_TRUE (w_.sockets.sent.empty ());
      return;
    }
    if (want == closed) {
      EXPECT_EQ (w_.sockets.disconnected, std::vector<SocketId> ({speaker_}));
    } else {
      EXPECT_TRUE (w_.sockets.disconnected.empty ());
      ASSERT_EQ (w_.sockets.acks.size (), 1u);
      EXPECT_EQ (w_.sockets.acks[0].socket, speaker_);
      EXPECT_NE (w_.sockets.acks[0].payload.find (
                     want == ok ? "\"ok\":true" : "\"code\":\"" + want + "\""),
          std::string::npos)
          << w_.sockets.acks[0].payload;
    }
    // Beside the speaker, the other end alone, and only of what was allowed.
    // Robots are told of by presence to whoever may watch them.
    bool newcomer = std::string (row_.event) == "register" && want == ok;
    SocketId other = role_ == robot ? viewer_ : state_ == elsewhere ? r2_ : r1_;
    if (std::string (row_.event) == "offer")
      other = r1_;
    std::size_t relayed = 0;
    for (const auto &sent : w_.sockets.sent) {
      if (sent.socket == speaker_ || newcomer)
        continue;
      EXPECT_EQ (sent.socket, other) << sent.payload;
      EXPECT_EQ (want, ok) << sent.payload;
      EXPECT_EQ (
          sent.payload.rfind ("[\"" + std::string (row_.event) + "\"", 0), 0u)
          << sent.payload;
      relayed++;
    }
    bool presence = std::string (row_.event) == "join-room" || newcomer;
    EXPECT_EQ (relayed, want == ok && !presence ? 1u : 0u);
  }

  World w_;
  const Row &row_;
  const Role role_;
  const State state_;
  SocketId r1_ = 0, r2_ = 0, viewer_ = 0, speaker_ = 0;
  std::string peer_;
};

TEST (HubMatrix, EveryRoleEventAndState)
{
  for (const Row &row : rows)
    for (int role = 0; role < roles; ++role)
      for (int state = 0; state < states; ++state) {
        SCOPED_TRACE (std::string (row.event) + " " + row.payload + " of " +
                      role_names[role] + ", " + state_names[state]);
        Cell (row, static_cast<Role> (role), static_cast<State> (state)).run ();
      }
}

} // namespace
