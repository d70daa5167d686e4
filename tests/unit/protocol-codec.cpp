// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protocol/engineio.hpp"
#include "protocol/json.hpp"
#include "protocol/socketio.hpp"

#include <gtest/gtest.h>

using namespace robotlive;
using socketio::PacketType;

namespace {

std::string
nested (std::size_t depth)
{
  return std::string (depth, '[') + std::string (depth, ']');
}

} // namespace

TEST (Json, StringsAreEscapedAndAlwaysUtf8)
{
  EXPECT_EQ (json_string ("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\u0001\"");
  EXPECT_EQ (json_string ("</script>"), "\"\\u003c/script>\"");
  EXPECT_EQ (json_string ("gr\xc3\xbc\xc3\x9f \xf0\x9f\xa4\x96"),
      "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\xa4\x96\"");
  for (const char *bad : {"\xff", "\xc0\x80", "\xed\xa0\x80",
           "\xf5\x80\x80\x80", "\xe2\x82", "\xc3"}) {
    std::string text = json_string (bad);
    EXPECT_TRUE (json_valid (text)) << text;
    EXPECT_NE (text.find ("\xef\xbf\xbd"), std::string::npos) << text;
  }
}

TEST (Json, WriterPlacesCommasAndClosers)
{
  JsonWriter json;
  json.object ()
      .field ("a", 1)
      .field ("b", "x")
      .key ("c")
      .array ()
      .value (true)
      .null ()
      .object ()
      .end ()
      .end ()
      .raw_field ("d", "[2]")
      .field ("e", std::uint64_t{18446744073709551615u})
      .field ("f", 0.5)
      .end ();
  EXPECT_EQ (json.text (),
      R"({"a":1,"b":"x","c":[true,null,{}],"d":[2],"e":18446744073709551615,"f":0.5})");
}

TEST (Json, MembersAreFoundAsTheyStand)
{
  const std::string text = R"( {"a" : "x\\\"]},\\", "b":[1,{"c":2}, "}"] ,)"
                           "\n"
                           R"("c": {"b":3} ,"d":-1e5,"b":"second"} )";
  ASSERT_TRUE (json_valid (text));
  EXPECT_EQ (json_member (text, "a"), R"("x\\\"]},\\")");
  EXPECT_EQ (json_member (text, "b"), R"([1,{"c":2}, "}"])");
  EXPECT_EQ (json_member (text, "c"), R"({"b":3})");
  EXPECT_EQ (json_member (text, "d"), "-1e5");
  EXPECT_FALSE (json_member (text, "e"));
  EXPECT_FALSE (json_member ("{}", "a"));
  EXPECT_FALSE (json_member ("[]", "a"));
  EXPECT_FALSE (json_member ("", "a"));
  EXPECT_EQ (json_member (R"({"a":1})", "a"), "1");
  // "a" in disguise, which a parser takes for the first "a".
  EXPECT_FALSE (json_member (R"({"\u0061":1,"a":2})", "a"));
  EXPECT_EQ (json_member (R"({"a":1,"\u0061":2})", "a"), "1");
}

TEST (Json, ValidationIsStrict)
{
  EXPECT_TRUE (json_valid (R"({"a":[1,2.5e3,"\u00e9",null]})"));
  for (const char *bad : {"", " ", "{", "{]", "[1,]", "{a:1}", "'x'", "01",
           "[1] [2]", "\"\xff\"", "\"\n\"", "NaN", "[\"\\x\"]", "tru"})
    EXPECT_FALSE (json_valid (bad)) << bad;
  EXPECT_TRUE (json_valid (nested (json_max_depth - 1)));
  EXPECT_FALSE (json_valid (nested (json_max_depth + 1)));
  EXPECT_FALSE (json_valid (nested (100000)));
  // A long document in between must not lift the limit.
  EXPECT_TRUE (json_valid ('[' + std::string (100000, ' ') + ']'));
  EXPECT_FALSE (json_valid (nested (json_max_depth + 1)));
}

TEST (EngineIo, Base64RoundTripAndStrictness)
{
  EXPECT_EQ (engineio::base64_encode ("\x01\x02\x03\x04"), "AQIDBA==");
  EXPECT_EQ (engineio::base64_encode (""), "");
  std::string bytes;
  for (int i = 0; i < 256; i++) {
    bytes += static_cast<char> (i);
    auto back = engineio::base64_decode (engineio::base64_encode (bytes));
    ASSERT_TRUE (back.has_value ());
    EXPECT_EQ (*back, bytes);
  }
  for (const char *bad : {"A", "AQ", "AQI", "A===", "====", "AQ=I", "AQ I",
           "AQ\nI", "AQ-_", "AQ==AQ=="})
    EXPECT_FALSE (engineio::base64_decode (bad)) << bad;
}

TEST (EngineIo, TextFrames)
{
  auto packet = engineio::decode_text ("4hello");
  ASSERT_TRUE (packet);
  EXPECT_EQ (packet->type, engineio::PacketType::message);
  EXPECT_EQ (packet->data, "hello");
  EXPECT_EQ (engineio::decode_text ("2probe")->data, "probe");
  EXPECT_FALSE (engineio::decode_text (""));
  EXPECT_FALSE (engineio::decode_text ("7"));
  EXPECT_FALSE (engineio::decode_text ("abc"));
}

TEST (EngineIo, Payloads)
{
  auto packets = engineio::decode_payload ("4a\x1e"
                                           "2\x1e"
                                           "bAQIDBA==");
  ASSERT_EQ (packets.size (), 3u);
  EXPECT_EQ (packets[0].data, "a");
  EXPECT_EQ (packets[1].type, engineio::PacketType::ping);
  EXPECT_TRUE (packets[2].binary);
  EXPECT_EQ (packets[2].data, "\x01\x02\x03\x04");

  for (const char *bad : {"", "abc", "4a\x1e",
           "\x1e"
           "4a",
           "4a\x1e\x1e"
           "4b",
           "b@@@@",
           "4a\x1e"
           "7b",
           "4\xff"})
    EXPECT_TRUE (engineio::decode_payload (bad).empty ()) << bad;

  std::string many = "4";
  for (int i = 0; i < 1023; i++)
    many += "\x1e"
            "4";
  EXPECT_EQ (engineio::decode_payload (many).size (), 1024u);
  EXPECT_TRUE (engineio::decode_payload (many + "\x1e"
                                                "4")
                   .empty ());

  std::string body;
  engineio::append_payload_text (body, "4a", false);
  engineio::append_payload_binary (body, "\x01\x02\x03\x04", true);
  EXPECT_EQ (body, "4a\x1e"
                   "bAQIDBA==");
}

TEST (EngineIo, OpenPacket)
{
  engineio::Handshake sent;
  sent.sid = "abc";
  sent.upgrade_to_websocket = true;
  std::string packet = engineio::encode_open (sent);
  EXPECT_EQ (packet, R"(0{"sid":"abc","upgrades":["websocket"],)"
                     R"("pingInterval":25000,"pingTimeout":20000,)"
                     R"("maxPayload":1000000})");
  auto received = engineio::decode_open (packet.substr (1));
  ASSERT_TRUE (received);
  EXPECT_EQ (received->sid, "abc");
  EXPECT_TRUE (received->upgrade_to_websocket);
  EXPECT_EQ (received->ping_timeout_ms, 20000u);

  for (const char *bad :
      {"", "{}", "[]", "null",
          R"({"sid":1,"upgrades":[],"pingInterval":1,"pingTimeout":1})",
          R"({"sid":"","upgrades":[],"pingInterval":1,"pingTimeout":1})",
          R"({"sid":"a","upgrades":[],"pingInterval":-1,"pingTimeout":1})",
          R"({"sid":"a","upgrades":[],"pingInterval":1e9,"pingTimeout":1})",
          R"({"sid":"a","upgrades":[],"pingInterval":3600001,"pingTimeout":1})",
          R"({"sid":"a","upgrades":1,"pingInterval":1,"pingTimeout":1})"})
    EXPECT_FALSE (engineio::decode_open (bad)) << bad;
}

TEST (SocketIo, Connect)
{
  auto packet = socketio::decode ("0");
  ASSERT_TRUE (packet);
  EXPECT_EQ (packet->type, PacketType::connect);
  EXPECT_EQ (packet->nsp, "/");
  EXPECT_TRUE (packet->payload.empty ());

  packet = socketio::decode (R"(0/custom,{"token":"x"})");
  ASSERT_TRUE (packet);
  EXPECT_EQ (packet->nsp, "/custom");
  EXPECT_EQ (packet->payload, R"({"token":"x"})");
  EXPECT_EQ (socketio::decode ("0/random")->nsp, "/random");

  EXPECT_TRUE (socketio::decode ("0/" + std::string (127, 'n')));
  for (std::string bad :
      {std::string ("0[1]"), std::string ("0\"x\""), std::string ("0abc"),
          "0/" + std::string (128, 'n'), std::string ("0/\xff")})
    EXPECT_FALSE (socketio::decode (bad)) << bad;
}

TEST (SocketIo, EventsAreSplitNotRebuilt)
{
  auto packet = socketio::decode (
      R"(2[ "offer" , {"sdp":"a,]\"}" } ,[1, 2],"x\\", 4.50])");
  ASSERT_TRUE (packet);
  EXPECT_EQ (packet->name, "offer");
  ASSERT_EQ (packet->arguments.size (), 4u);
  EXPECT_EQ (packet->arguments[0], R"({"sdp":"a,]\"}" })");
  EXPECT_EQ (packet->arguments[1], "[1, 2]");
  EXPECT_EQ (packet->arguments[2], R"("x\\")");
  EXPECT_EQ (packet->arguments[3], "4.50");
  EXPECT_FALSE (packet->id);

  packet = socketio::decode (R"(2/ns,17["a\u0062"])");
  ASSERT_TRUE (packet);
  EXPECT_EQ (packet->name, "ab");
  EXPECT_EQ (packet->id, 17u);
  EXPECT_TRUE (packet->arguments.empty ());

  packet = socketio::decode ("2 [ \"a\\\",[b\\\\\"\t, [1,\"]\"]\r\n]\n");
  ASSERT_TRUE (packet);
  EXPECT_EQ (packet->name, "a\",[b\\");
  ASSERT_EQ (packet->arguments.size (), 1u);
  EXPECT_EQ (packet->arguments[0], R"([1,"]"])");
}

TEST (SocketIo, AcksAndErrors)
{
  auto packet = socketio::decode (R"(312[1,"x"])");
  ASSERT_TRUE (packet);
  EXPECT_EQ (packet->type, PacketType::ack);
  EXPECT_EQ (packet->id, 12u);
  EXPECT_EQ (packet->arguments.size (), 2u);
  EXPECT_TRUE (socketio::decode (R"(4{"message":"no"})"));
  EXPECT_TRUE (socketio::decode ("1"));
  EXPECT_TRUE (socketio::decode ("1/custom"));
  EXPECT_TRUE (socketio::decode ("1/custom,"));
}

TEST (SocketIo, BinaryPlaceholdersMustNameAttachments)
{
  EXPECT_EQ (
      socketio::decode (
          R"(52-["m",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]])")
          ->attachments,
      2u);
  for (const char *bad : {
           R"(51-["m",{"_placeholder":true,"num":"splice"}])",
           R"(51-["m",{"_placeholder":true,"num":1}])",
           R"(51-["m",{"_placeholder":true,"num":-1}])",
           R"(51-["m",{"_placeholder":true}])",
           R"(51-["m",{"a":[{"_placeholder":true,"num":7}]}])",
           R"(511-["m"])",
           R"(5999999-["m"])",
           R"(5["m"])",
           R"(5-["m"])",
           R"(5-1["m"])",
           R"(51.5-["m"])",
           R"(61-[1])",
       })
    EXPECT_FALSE (socketio::decode (bad)) << bad;
}

TEST (SocketIo, MalformedPacketsAreRefused)
{
  std::string long_id = "2" + std::string (100000, '1') + R"(["m"])";
  for (const std::string &bad : {std::string (), std::string ("7"),
           std::string ("abc"), std::string ("2"), std::string ("2{}"),
           std::string ("2[]"), std::string ("2abc[\"m\"]"),
           std::string ("2[1]"), std::string ("2\xef\xbb\xbf[\"m\"]"),
           std::string ("2\xef\xbb\xbf[\"m\",1]"),
           std::string ("2\xef\xbb\xbf[\"m\",1,2]"), std::string ("2[null]"),
           std::string (R"(2[{"toString":"foo"}])"),
           std::string (R"(2["connect"])"), std::string (R"(2["disconnect"])"),
           std::string (R"(2["newListener"])"), std::string (R"(2["m"]x)"),
           std::string (R"(2["m")"), std::string ("2[\"m\xff\"]"),
           std::string (R"(21111111111111111["m"])"), long_id,
           std::string ("3"), std::string ("31"), std::string ("3[1]"),
           std::string ("1[]"), std::string ("4"), std::string ("4[1]"),
           R"(2["m",)" + nested (100) + "]"})
    EXPECT_FALSE (socketio::decode (bad)) << bad.substr (0, 60);
  // CVE-2024-38355: an ordinary name here, never an emitter's special case.
  EXPECT_TRUE (socketio::decode (R"(2["error"])"));
  EXPECT_EQ (
      socketio::decode (R"(2999999999999999["m"])")->id, 999999999999999u);
}

TEST (SocketIo, TooManyArguments)
{
  std::string json = R"(2["m")";
  for (std::size_t i = 1; i < socketio::max_arguments; i++)
    json += ",0";
  EXPECT_TRUE (socketio::decode (json + "]"));
  EXPECT_FALSE (socketio::decode (json + ",0]"));
}

TEST (SocketIo, Encoders)
{
  EXPECT_EQ (
      socketio::encode_connect ("/", R"({"sid":"x"})"), R"(40{"sid":"x"})");
  EXPECT_EQ (socketio::encode_connect ("/custom", ""), "40/custom,");
  EXPECT_EQ (socketio::encode_disconnect ("/"), "41");
  EXPECT_EQ (socketio::encode_connect_error ("/r", R"({"message":"m"})"),
      R"(44/r,{"message":"m"})");
  EXPECT_EQ (socketio::encode_event ("/", R"(["m"])"), R"(42["m"])");
  EXPECT_EQ (socketio::encode_event ("/", R"(["m"])", 5), R"(425["m"])");
  EXPECT_EQ (socketio::encode_ack ("/custom", 7, "[1]"), "43/custom,7[1]");
  EXPECT_EQ (
      socketio::packet_head (PacketType::binary_event, "/", {}, 2), "452-");
}
