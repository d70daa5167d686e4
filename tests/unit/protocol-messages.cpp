// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What "register" and its answer say of peers that run already: read and
// written, absent and empty, and what does not fit.
#include "protocol/messages.hpp"
#include "protocol/socketio.hpp"
#include <gtest/gtest.h>

using namespace robotlive;

namespace {

std::string
argument (const std::string &payload)
{
  return std::string (socketio::split_array (payload).at (1));
}

std::string
registration (const std::string &more)
{
  return R"({"userId":"r1","userType":"robot")" + more + "}";
}

TEST (Register, PeersAreNamedEmptyOrNotNamedAtAll)
{
  std::string error;
  RegisterMessage old, none, some, texts;
  ASSERT_TRUE (parse_register (registration (""), &old, &error));
  EXPECT_FALSE (old.peers);
  ASSERT_TRUE (
      parse_register (registration (R"(,"peers":null)"), &old, &error));
  EXPECT_FALSE (old.peers);
  ASSERT_TRUE (parse_register (registration (R"(,"peers":[])"), &none, &error));
  ASSERT_TRUE (none.peers);
  EXPECT_TRUE (none.peers->empty ());
  ASSERT_TRUE (parse_register (
      registration (
          R"(,"peers":[{"peerId":"a","offerId":"o"},{"peerId":"b"}])"),
      &some, &error));
  ASSERT_TRUE (some.peers);
  ASSERT_EQ (some.peers->size (), 2u);
  EXPECT_EQ (some.peers->at (0).offer_id, "o");
  ASSERT_TRUE (
      parse_register (registration (R"(,"peers":["a","b"])"), &texts, &error));
  ASSERT_EQ (texts.peers->size (), 2u);
  EXPECT_EQ (texts.peers->at (1).peer_id, "b");
  for (const RegisterMessage *message : {&old, &none, &some}) {
    RegisterMessage again;
    ASSERT_TRUE (parse_register (
        argument (register_payload (*message)), &again, &error));
    ASSERT_EQ (again.peers.has_value (), message->peers.has_value ());
    EXPECT_EQ (again.peers ? again.peers->size () : 0,
        message->peers ? message->peers->size () : 0);
  }
}

TEST (Register, PeersThatDoNotFitAreRefused)
{
  std::string many, error;
  for (std::size_t i = 0; i <= max_named_peers; ++i)
    many += std::string (i ? "," : "") + "\"p\"";
  const std::string longest (max_id_length + 1, 'x');
  for (const std::string &peers : {std::string ("7"), std::string ("{}"),
           std::string ("\"a\""), std::string ("[7]"), std::string ("[null]"),
           std::string ("[[]]"), std::string ("[\"\"]"), std::string ("[{}]"),
           std::string (R"([{"peerId":""}])"),
           std::string (R"([{"peerId":{}}])"),
           std::string (R"([{"peerId":"a","offerId":[]}])"),
           "[\"" + longest + "\"]", "[{\"peerId\":\"" + longest + "\"}]",
           "[" + many + "]"}) {
    RegisterMessage message;
    EXPECT_FALSE (
        parse_register (registration (",\"peers\":" + peers), &message, &error))
        << peers.substr (0, 60);
    EXPECT_FALSE (error.empty ());
  }
}

TEST (Registered, NamesWhatMayGoOn)
{
  RegisteredMessage message;
  message.success = true;
  message.user_id = "r1";
  message.user_type = "robot";
  RegisteredMessage old;
  std::string error;
  ASSERT_TRUE (
      parse_registered (argument (registered_payload (message)), &old, &error));
  EXPECT_FALSE (old.sessions);
  message.sessions.emplace ();
  SessionTerms terms;
  terms.role = "viewer";
  terms.expires_at = 5000;
  terms.server_time = 1000;
  terms.grant = "g";
  message.sessions->push_back ({"a", "o", "", "", terms});
  message.ended.push_back ({"b", "revoked"});
  message.standby = true;
  message.instance = "other";
  message.address = "::1";
  message.retry_after_ms = 120000;
  RegisteredMessage again;
  ASSERT_TRUE (parse_registered (
      argument (registered_payload (message)), &again, &error))
      << error;
  ASSERT_TRUE (again.sessions);
  ASSERT_EQ (again.sessions->size (), 1u);
  EXPECT_EQ (again.sessions->at (0).offer_id, "o");
  ASSERT_TRUE (again.sessions->at (0).terms);
  EXPECT_EQ (again.sessions->at (0).terms->grant, "g");
  EXPECT_EQ (again.sessions->at (0).terms->expires_at, 5000);
  ASSERT_EQ (again.ended.size (), 1u);
  EXPECT_EQ (again.ended[0].reason, "revoked");
  EXPECT_TRUE (again.standby);
  EXPECT_EQ (again.instance, "other");
  EXPECT_EQ (again.address, "::1");
  EXPECT_EQ (again.retry_after_ms, 120000);
  // A list that cannot be read is not an empty one: nothing is dropped for it.
  for (const char *bad :
      {R"("sessions":7)", R"("sessions":[7])", R"("sessions":[{"peerId":"a"}])",
          R"("sessions":[{"peerId":"a","session":{"role":"viewer"}}])",
          R"("ended":[{}])", R"("standby":"yes")"}) {
    RegisteredMessage refused;
    EXPECT_FALSE (parse_registered (
        std::string (R"({"success":true,)") + bad + "}", &refused, &error))
        << bad;
  }
}

TEST (Error, NamesTheOtherProcess)
{
  ErrorMessage message{"replaced", "another process has the place"};
  message.instance = "other";
  message.address = "192.0.2.1";
  message.retry_after_ms = 120000;
  ErrorMessage again;
  std::string error;
  ASSERT_TRUE (
      parse_error (argument (error_payload (message)), &again, &error));
  EXPECT_EQ (again.code, "replaced");
  EXPECT_EQ (again.instance, "other");
  EXPECT_EQ (again.address, "192.0.2.1");
}

} // namespace
