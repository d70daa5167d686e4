// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Against figures that are not ours; tests/elements/srtphook.cpp has what
// srtpdec makes of the packets.
#include "transport/srtpsender.hpp"
#include <gtest/gtest.h>
#include <string>
#include <vector>

using robotlive::SrtpSender;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes
hex (const std::string &text)
{
  Bytes bytes;
  for (std::size_t i = 0; i < text.size (); i += 2)
    bytes.push_back (static_cast<std::uint8_t> (
        std::stoi (text.substr (i, 2), nullptr, 16)));
  return bytes;
}

// RFC 3711 appendix B.3: master key and master salt.
const Bytes kMaster =
    hex ("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");

Bytes
packet (std::uint16_t number, std::uint32_t ssrc = 0x01020304,
    const Bytes &payload = Bytes (20, 0xab))
{
  Bytes made = {0x80, 96, static_cast<std::uint8_t> (number >> 8),
      static_cast<std::uint8_t> (number), 0, 0, 0, 1,
      static_cast<std::uint8_t> (ssrc >> 24),
      static_cast<std::uint8_t> (ssrc >> 16),
      static_cast<std::uint8_t> (ssrc >> 8), static_cast<std::uint8_t> (ssrc)};
  made.insert (made.end (), payload.begin (), payload.end ());
  return made;
}

// Empty: it was refused.
Bytes
sent (SrtpSender &sender, Bytes bytes)
{
  const auto size = bytes.size ();
  bytes.resize (size + SrtpSender::kTagSize);
  return sender.protect (bytes.data (), size) ? bytes : Bytes ();
}

bool
passes (SrtpSender &sender, const Bytes &bytes)
{
  return !sent (sender, bytes).empty ();
}

class Srtp : public testing::Test
{
protected:
  void SetUp () override
  {
    ASSERT_TRUE (sender.set_master (kMaster.data (), kMaster.size ()));
  }
  SrtpSender sender;
};

} // namespace

TEST_F (Srtp, SessionKeysAreThoseOfTheStandard) // RFC 3711 appendix B.3
{
  Bytes key (16), salt (14), authentication (94);
  ASSERT_TRUE (
      robotlive::srtp_derive (kMaster.data (), 0, key.data (), key.size ()));
  ASSERT_TRUE (robotlive::srtp_derive (
      kMaster.data (), 1, authentication.data (), authentication.size ()));
  ASSERT_TRUE (
      robotlive::srtp_derive (kMaster.data (), 2, salt.data (), salt.size ()));
  EXPECT_EQ (key, hex ("c61e7a93744f39ee10734afe3ff7a087"));
  EXPECT_EQ (salt, hex ("30cbbc08863d8c85d49db34a9ae1"));
  EXPECT_EQ (authentication, hex ("cebe321f6ff7716b6fd4ab49af256a156d38baa4"
                                  "8f0a0acf3c34e2359e6cdbcee049646c43d9327a"
                                  "d175578ef72270986371c10c9a369ac2f94a8c5f"
                                  "bcdddc256d6e919a48b610ef17c2041e47403576"
                                  "6b68642c59bbfc2f34db60dbdfb2"));
}

TEST_F (Srtp, APacketIsAsLibsrtpMakesIt) // its srtp_driver.c, srtp_validate
{
  const auto plain =
      hex ("800f1234decafbadcafebabeabababababababababababababababab");
  const auto wanted = hex ("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949"
                           "d2402b78d6acc99ea179b8dbb");
  EXPECT_EQ (sent (sender, plain), wanted);
}

TEST_F (Srtp, HeadersStayReadable)
{
  auto plain = packet (1);
  plain[0] = 0x92; // an extension, two sources
  const Bytes head = {1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 3, 3, 3, 3};
  plain.insert (plain.begin () + 12, head.begin (), head.end ());
  const auto made = sent (sender, plain);
  ASSERT_EQ (made.size (), plain.size () + 10);
  EXPECT_TRUE (std::equal (plain.begin (), plain.begin () + 28, made.begin ()));
  for (std::size_t i = 28; i < plain.size (); i += 4)
    EXPECT_FALSE (std::equal (plain.begin () + std::ptrdiff_t (i),
        plain.begin () + std::ptrdiff_t (i) + 4,
        made.begin () + std::ptrdiff_t (i)))
        << i;
}

TEST_F (Srtp, APacketWithoutPayloadGetsItsTag)
{
  const auto made = sent (sender, packet (1, 1, {}));
  ASSERT_EQ (made.size (), 22u);
  EXPECT_NE (Bytes (made.begin () + 12, made.end ()), Bytes (10));
}

TEST_F (Srtp, WhatIsNoRtpIsRefused)
{
  for (std::size_t size = 0; size < 12; size++) {
    auto bytes = packet (1);
    bytes.resize (size);
    EXPECT_FALSE (passes (sender, bytes)) << size;
  }
  for (const std::uint8_t version : {0x00, 0x40, 0xc0}) {
    auto bytes = packet (1);
    bytes[0] = version;
    EXPECT_FALSE (passes (sender, bytes));
  }
  auto sources = packet (1, 1, Bytes (59));
  sources[0] = 0x8f; // 60 bytes of them
  EXPECT_FALSE (passes (sender, sources));
  auto extension = packet (1, 1, Bytes (3));
  extension[0] = 0x90;
  EXPECT_FALSE (passes (sender, extension)) << "no room for its length";
  extension = packet (1, 1, {0xbe, 0xde, 0, 1, 0, 0, 0});
  extension[0] = 0x90;
  EXPECT_FALSE (passes (sender, extension));
  extension = packet (1, 1, {0xbe, 0xde, 0xff, 0xff, 0, 0, 0, 0});
  extension[0] = 0x90;
  EXPECT_FALSE (passes (sender, extension));
  EXPECT_FALSE (passes (sender, packet (1, 1, Bytes (70000))));
  // None of them has used up the number.
  EXPECT_TRUE (passes (sender, packet (1, 1)));
}

TEST_F (Srtp, WithoutAKeyNothingLeaves)
{
  SrtpSender none;
  EXPECT_FALSE (passes (none, packet (1)));
  EXPECT_TRUE (passes (sender, packet (1)));
  EXPECT_FALSE (sender.set_master (kMaster.data (), 29));
  EXPECT_FALSE (passes (sender, packet (2)));
  EXPECT_FALSE (sender.set_master (nullptr, 0));
  EXPECT_FALSE (passes (sender, packet (3)));
  EXPECT_TRUE (sender.set_master (kMaster.data (), kMaster.size ()));
  EXPECT_TRUE (passes (sender, packet (4)));
}

// RFC 3711 section 9.1: two packets with one key stream betray each other.
TEST_F (Srtp, NoNumberIsUsedTwice)
{
  for (const int number : {100, 101, 105, 103})
    EXPECT_TRUE (passes (sender, packet (std::uint16_t (number))));
  for (const int number : {100, 101, 105, 103})
    EXPECT_FALSE (passes (sender, packet (std::uint16_t (number))));
  EXPECT_TRUE (passes (sender, packet (104)));
  EXPECT_TRUE (passes (sender, packet (300)));
  EXPECT_FALSE (passes (sender, packet (102))) << "too old to be known";
  EXPECT_TRUE (passes (sender, packet (300 - 63)));
  EXPECT_FALSE (passes (sender, packet (300 - 64)));
  EXPECT_FALSE (passes (sender, packet (300 - 63)));
  EXPECT_TRUE (passes (sender, packet (300, 7))) << "another source";
}

TEST_F (Srtp, NothingComesBeforeTheFirst)
{
  EXPECT_TRUE (passes (sender, packet (2)));
  EXPECT_FALSE (passes (sender, packet (65535))) << "of the time before zero";
  EXPECT_TRUE (passes (sender, packet (3)));
}

TEST_F (Srtp, TheRolloverCounterIsEachSourcesOwn)
{
  const auto first = sent (sender, packet (0, 1));
  const auto other = sent (sender, packet (0, 2));
  ASSERT_FALSE (first.empty ());
  ASSERT_FALSE (other.empty ());
  EXPECT_FALSE (
      std::equal (first.begin () + 12, first.end (), other.begin () + 12));
  for (unsigned number = 1; number <= 65535; number++)
    ASSERT_TRUE (passes (sender, packet (std::uint16_t (number), 1)));
  const auto again = sent (sender, packet (0, 1));
  ASSERT_FALSE (again.empty ());
  EXPECT_FALSE (
      std::equal (first.begin () + 12, first.end (), again.begin () + 12));
  // Late packets belong to the time before.
  EXPECT_FALSE (passes (sender, packet (65535, 1)));
  EXPECT_FALSE (passes (sender, packet (0, 2)));
  EXPECT_TRUE (passes (sender, packet (1, 2)));
}

TEST_F (Srtp, NumbersGoOnOverAChangeOfKeys)
{
  EXPECT_TRUE (passes (sender, packet (65535)));
  EXPECT_TRUE (passes (sender, packet (0)));
  EXPECT_TRUE (sender.set_master (kMaster.data (), kMaster.size ()));
  EXPECT_FALSE (passes (sender, packet (0)));
  EXPECT_FALSE (passes (sender, packet (65535)));
  const auto later = sent (sender, packet (1));
  SrtpSender fresh;
  EXPECT_TRUE (fresh.set_master (kMaster.data (), kMaster.size ()));
  const auto early = sent (fresh, packet (1));
  ASSERT_FALSE (later.empty ());
  EXPECT_NE (later, early);
  auto other_key = kMaster;
  other_key[0] ^= 1;
  EXPECT_TRUE (fresh.set_master (other_key.data (), other_key.size ()));
  EXPECT_NE (sent (fresh, packet (2)), sent (sender, packet (2)));
}

TEST_F (Srtp, SourcesAreBounded)
{
  for (unsigned ssrc = 0; ssrc < 64; ssrc++)
    EXPECT_TRUE (passes (sender, packet (1, ssrc)));
  EXPECT_FALSE (passes (sender, packet (1, 64)));
  EXPECT_TRUE (passes (sender, packet (2, 63)));
}
