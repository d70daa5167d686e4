// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How often somebody may guess: by account, by address, and never counted for
// what nobody looked at.
#include "server/auth/throttle.hpp"
#include <gtest/gtest.h>
#include <string>

using namespace robotlive;
using namespace robotlive::server;

namespace {

using Outcome = LoginThrottle::Outcome;

constexpr TimeMs kMinute = 60 * 1000;

struct Door : LoginThrottle
{
  TimeMs now = 1000;

  // What a log-in with this outcome is told: 0, or how long to wait.
  TimeMs login (
      const std::string &account, const std::string &address, Outcome outcome)
  {
    LoginAttempt attempt = LoginAttempt::of (account, address);
    TimeMs wait = begin (attempt, now);
    if (wait == 0)
      finish (attempt, outcome, now);
    return wait;
  }
  // Wrong ones that were looked at in *time*, one after the other.
  int guesses (const std::string &account, const std::string &address,
      TimeMs time, TimeMs pace = 100)
  {
    int n = 0;
    for (TimeMs end = now + time; now < end; now += pace)
      n += login (account, address, Outcome::Wrong) == 0;
    return n;
  }
};

TEST (Throttle, GuessesOfOneAccountGetSlower)
{
  Door door;
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Wrong), 0) << i;
  TimeMs pause = door.login ("a@b", "192.0.2.1", Outcome::Wrong);
  EXPECT_EQ (pause, 5000);
  for (TimeMs expected : {10000, 20000, 40000, 80000, 160000, 300000, 300000}) {
    door.now += pause - 1;
    EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Wrong), 1);
    door.now += 1;
    EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Wrong), 0);
    pause = door.login ("a@b", "192.0.2.1", Outcome::Wrong);
    EXPECT_EQ (pause, expected);
  }
  EXPECT_EQ (door.login ("other@b", "192.0.2.1", Outcome::Wrong), 0);
  door.now += pause;
  EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Right), 0);
  for (int i = 0; i < 8; ++i) // and then anew
    EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Wrong), 0) << i;
}

// ASVS 2.2.1: a hundred an hour, from however many addresses.
TEST (Throttle, ManyAddressesGuessNoMoreThanOne)
{
  Door door;
  int guesses = 0;
  for (TimeMs end = door.now + 60 * kMinute; door.now < end; door.now += 500)
    for (int i = 0; i < 20; ++i)
      guesses += door.login ("a@b", "198.51.100." + std::to_string (i),
                     Outcome::Wrong) == 0;
  EXPECT_LE (guesses, 60);
  EXPECT_GE (guesses, 20);
}

TEST (Throttle, WhoLoggedInBeforeIsNotLockedOutByOthers)
{
  Door door;
  EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Right), 0);
  // The world guesses at the account, and a neighbour at everybody's.
  for (int i = 0; i < 100; ++i)
    door.guesses ("a@b", "203.0.113." + std::to_string (i), 2 * kMinute, 10000);
  for (int i = 0; i < 1000; ++i)
    door.login (
        "user" + std::to_string (i) + "@b", "192.0.2.1", Outcome::Wrong);
  EXPECT_GT (door.login ("a@b", "203.0.113.7", Outcome::Right), 0);
  EXPECT_GT (door.login ("new@b", "192.0.2.1", Outcome::Right), 0);
  EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Right), 0);
}

TEST (Throttle, AClassBehindOneAddressComesIn)
{
  Door door;
  for (int i = 0; i < 60; ++i) // half of them mistype
    EXPECT_EQ (door.login ("user" + std::to_string (i) + "@b", "192.0.2.1",
                   Outcome::Wrong),
        0);
  for (int i = 0; i < 60; ++i)
    EXPECT_EQ (door.login ("user" + std::to_string (i) + "@b", "192.0.2.1",
                   Outcome::Right),
        0);
}

TEST (Throttle, AnAddressHasABudgetThatComesBack)
{
  Door door;
  LoginLimits limits;
  limits.failures_per_address = 30;
  door.set_limits (limits);
  int n = 0;
  while (door.login ("user" + std::to_string (n) + "@b", "192.0.2.1",
             Outcome::Wrong) == 0)
    ++n;
  EXPECT_EQ (n, 30);
  TimeMs wait = door.login ("x@b", "192.0.2.1", Outcome::Right);
  EXPECT_EQ (wait, 15 * kMinute / 30);
  EXPECT_EQ (door.login ("x@b", "192.0.2.2", Outcome::Right), 0);
  door.now += wait;
  EXPECT_EQ (door.login ("x@b", "192.0.2.1", Outcome::Right), 0);
}

TEST (Throttle, AnIpv6HouseholdIsA64AndANetworkA48)
{
  auto of = [] (const char *address) {
    return LoginAttempt::of ("a@b", address);
  };
  EXPECT_EQ (of ("2001:db8::1").address, of ("2001:db8::ffff:1").address);
  EXPECT_NE (of ("2001:db8::1").address, of ("2001:db8:0:1::1").address);
  EXPECT_EQ (of ("2001:db8:0:2::1").network, of ("2001:db8:0:1::1").network);
  EXPECT_NE (of ("2001:db8:1::1").network, of ("2001:db8::1").network);
  EXPECT_EQ (of ("192.0.2.1").network, "");
  EXPECT_EQ (of ("::ffff:192.0.2.1").address, "192.0.2.1");
  Door door;
  auto guess_from = [&door] (const char *network) {
    int guesses = 0;
    for (int i = 0; i < 2000; ++i) {
      char address[64];
      std::snprintf (address, sizeof address, "2001:db8:%s:%x::1", network, i);
      guesses += door.login ("user" + std::to_string (i) + "@b", address,
                     Outcome::Wrong) == 0;
    }
    return guesses;
  };
  EXPECT_EQ (guess_from ("0"), 400);
  EXPECT_EQ (guess_from ("1"), 400);
}

TEST (Throttle, WhatNobodyLookedAtDoesNotCount)
{
  Door door;
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Unchecked), 0);
  EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Right), 0);
}

TEST (Throttle, ParallelGuessesAreCountedWhileTheyAreChecked)
{
  Door door;
  LoginAttempt attempt = LoginAttempt::of ("a@b", "192.0.2.1");
  int begun = 0;
  for (int i = 0; i < 100; ++i)
    begun += door.begin (attempt, door.now) == 0;
  EXPECT_EQ (begun, 8);
  for (int i = 0; i < begun; ++i)
    door.finish (attempt, Outcome::Wrong, door.now);
  EXPECT_GT (door.begin (attempt, door.now), 0);
  // Of many accounts from one address as well.
  begun = 0;
  for (int i = 0; i < 500; ++i)
    begun += door.begin (LoginAttempt::of (
                             "user" + std::to_string (i) + "@b", "192.0.2.9"),
                 door.now) == 0;
  EXPECT_EQ (begun, 100);
}

TEST (Throttle, RightOnesAreMeteredToo)
{
  Door door;
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ (door.login ("a@b", "192.0.2.1", Outcome::Right), 0);
  TimeMs wait = door.login ("a@b", "192.0.2.2", Outcome::Right);
  EXPECT_EQ (wait, 6000);
  EXPECT_EQ (door.login ("c@b", "192.0.2.1", Outcome::Right), 0);
  door.now += wait;
  EXPECT_EQ (door.login ("a@b", "192.0.2.2", Outcome::Right), 0);
}

// Who makes up names pushes out what is old, not who guesses now.
TEST (Throttle, ForgetsTheOldestWhenItIsFull)
{
  BoundedMap<int> map (3);
  map.touch ("z") = 1;
  map.touch ("a") = 2;
  map.touch ("m") = 3;
  map.touch ("z") = 4; // the newest again
  map.touch ("n") = 5;
  EXPECT_EQ (map.size (), 3u);
  EXPECT_EQ (map.find ("a"), nullptr);
  ASSERT_NE (map.find ("z"), nullptr);
  EXPECT_EQ (*map.find ("z"), 4);
  map.erase ("z");
  map.erase ("z");
  EXPECT_EQ (map.size (), 2u);

  Door door;
  LoginLimits unlimited;
  unlimited.failures_per_address = 0;
  door.set_limits (unlimited);
  for (int i = 0; i < 30000; ++i)
    door.login ("user" + std::to_string (i), "192.0.2.1", Outcome::Wrong);
  EXPECT_LE (door.size (), 60000u);
  // Who is refused leaves nothing behind.
  door.set_limits ({});
  for (int i = 0; i < 8; ++i)
    door.login ("victim", "192.0.2.7", Outcome::Wrong);
  for (int i = 0; i < 30000; ++i)
    door.login ("x" + std::to_string (i), "192.0.2.8", Outcome::Wrong);
  EXPECT_GT (door.login ("victim", "192.0.2.7", Outcome::Wrong), 0);
}

} // namespace
