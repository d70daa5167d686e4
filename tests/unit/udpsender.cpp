// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Datagrams that leave together: that all arrive, whole and in order, also
// where the kernel does not take several at once.
#include "transport/udpsender.hpp"
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <string>
#include <unistd.h>

using robotlive::UdpSender;

namespace {

// Two sockets on loopback.
class Loopback
{
public:
  explicit Loopback (int family = AF_INET)
      : in (socket (family, SOCK_DGRAM, 0)),
        out (socket (family, SOCK_DGRAM, 0))
  {
    address.ss_family = static_cast<sa_family_t> (family);
    if (family == AF_INET6)
      reinterpret_cast<sockaddr_in6 *> (&address)->sin6_addr = in6addr_loopback;
    else
      reinterpret_cast<sockaddr_in *> (&address)->sin_addr.s_addr =
          htonl (INADDR_LOOPBACK);
    length = family == AF_INET6 ? sizeof (sockaddr_in6) : sizeof (sockaddr_in);
    const int room = 8 << 20;
    setsockopt (in, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    ready =
        bind (in, to (), length) == 0 &&
        getsockname (in, reinterpret_cast<sockaddr *> (&address), &length) == 0;
  }
  ~Loopback ()
  {
    close (in);
    close (out);
  }
  Loopback (const Loopback &) = delete;
  Loopback &operator= (const Loopback &) = delete;

  const sockaddr *to () const
  {
    return reinterpret_cast<const sockaddr *> (&address);
  }

  // What one call reads; loopback has delivered before a send returns.
  bool read (std::string *datagram) const
  {
    std::array<char, 65536> data;
    const auto size = recv (in, data.data (), data.size (), MSG_DONTWAIT);
    datagram->assign (
        data.data (), size > 0 ? static_cast<std::size_t> (size) : 0);
    return size >= 0;
  }
  // Several that left as one come as one.
  bool keep_together () const
  {
    const int on = 1;
    return setsockopt (in, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0;
  }

  const int in, out;
  sockaddr_storage address = {};
  socklen_t length = 0;
  bool ready = false;
};

std::string
datagram (std::size_t number, std::size_t size)
{
  std::string made (size, static_cast<char> ('a' + number % 26));
  made.front () = static_cast<char> (number);
  made.back () = static_cast<char> (number >> 8);
  return made;
}

void
put (UdpSender &sender, const std::string &text)
{
  std::copy (text.begin (), text.end (), sender.room (text.size ()));
  sender.add (text.size ());
}

void
expect_arrival (UdpSender &sender, const Loopback &loopback,
    const std::vector<std::size_t> &sizes)
{
  for (std::size_t i = 0; i < sizes.size (); i++)
    put (sender, datagram (i, sizes[i]));
  sender.send (loopback.out, loopback.to (), loopback.length);
  std::string came;
  for (std::size_t i = 0; i < sizes.size (); i++) {
    ASSERT_TRUE (loopback.read (&came)) << i;
    EXPECT_EQ (datagram (i, sizes[i]), came) << i;
  }
  EXPECT_FALSE (loopback.read (&came));
}

const std::vector<std::vector<std::size_t>> kPictures = {
    {500},
    {1200, 1200, 1200},
    {1200, 1200, 300},
    {24, 1200, 1200, 300, 1200, 1200, 700},    // slices
    {300, 1200, 1201, 1200, 1200, 1199, 1200}, // each larger than that before
    std::vector<std::size_t> (50, 1210),       // more than one message has
    std::vector<std::size_t> (200, 100),
    {40000, 40000},
};

} // namespace

TEST (UdpSender, AllArriveInOrder)
{
  const Loopback loopback;
  ASSERT_TRUE (loopback.ready);
  UdpSender sender;
  for (const auto &sizes : kPictures)
    expect_arrival (sender, loopback, sizes);
}

TEST (UdpSender, SoTheyDoWithIPv6)
{
  const Loopback loopback (AF_INET6);
  if (!loopback.ready)
    GTEST_SKIP () << "no IPv6 here";
  UdpSender sender;
  for (const auto &sizes : kPictures)
    expect_arrival (sender, loopback, sizes);
}

TEST (UdpSender, EachIsADatagramOfItsOwnOnTheWay)
{
  const Loopback loopback;
  ASSERT_TRUE (loopback.ready);
  if (!loopback.keep_together ())
    GTEST_SKIP () << "this kernel has no UDP_GRO";
  UdpSender sender;
  for (std::size_t i = 0; i < 4; i++)
    put (sender, datagram (i, 1200));
  sender.send (loopback.out, loopback.to (), loopback.length);
  std::string came;
  for (std::size_t i = 0; i < 4; i++) {
    ASSERT_TRUE (loopback.read (&came)) << i;
    EXPECT_EQ (datagram (i, 1200), came) << i;
  }
}

// Nothing waits for the next picture, nor is sent twice.
TEST (UdpSender, WhatCannotBeSentIsLost)
{
  const Loopback loopback;
  ASSERT_TRUE (loopback.ready);
  UdpSender sender;
  put (sender, datagram (0, 1200));
  put (sender, datagram (1, 1200));
  sender.send (-1, loopback.to (), loopback.length);
  expect_arrival (sender, loopback, kPictures[2]);
}

TEST (UdpSender, IsFullBeforeADatagramWouldBeTooLarge)
{
  UdpSender sender;
  std::size_t bytes = 0;
  while (!sender.full ()) {
    put (sender, datagram (0, 1200));
    bytes += 1200;
    ASSERT_LT (bytes, 60000u);
  }
  EXPECT_GT (bytes, 10000u);
}
