// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gate/gatecore.hpp"
#include <gtest/gtest.h>

using namespace robotlive;
using Event = GateNews::Event;
using Events = std::vector<Event>;
using Verdict = GateFlow::Verdict;

namespace {

constexpr BootNs kSecond = 1000000000;
constexpr std::int64_t kYearMs = 365LL * 24 * 3600 * 1000;

} // namespace

TEST (GateCore, NothingGrantedIsShut)
{
  const GateCore core;
  for (BootNs now : {BootNs (0), kSecond, kNeverNs}) {
    EXPECT_EQ (core.state (now), GateState::Closed);
    EXPECT_EQ (core.next_change (now), kNeverNs);
  }
  EXPECT_EQ (core.source (), GateSource::None);
}

TEST (GateCore, EndIsExactToTheNanosecond)
{
  GateCore core;
  core.set_window (Interval{10, 20});
  EXPECT_EQ (core.state (9), GateState::Pending);
  EXPECT_EQ (core.next_change (9), 10);
  EXPECT_EQ (core.state (10), GateState::Open);
  EXPECT_EQ (core.state (19), GateState::Open);
  EXPECT_EQ (core.next_change (19), 20);
  EXPECT_EQ (core.state (20), GateState::Expired);
  EXPECT_EQ (core.state (21), GateState::Expired);
  EXPECT_EQ (core.next_change (20), kNeverNs);
}

TEST (GateCore, EmptyIntervalNeverOpens)
{
  GateCore core;
  for (const Interval &interval : {Interval{5, 5}, Interval{9, 5}}) {
    core.set_session (interval, GateSource::Grant);
    for (BootNs now = 0; now < 12; ++now)
      EXPECT_NE (core.state (now), GateState::Open);
  }
}

TEST (GateCore, WindowAndSessionMustBothBeOpen)
{
  GateCore core;
  core.set_window (Interval{10, 30});
  core.set_session ({20, 40}, GateSource::Grant);
  EXPECT_EQ (core.state (15), GateState::Pending);
  EXPECT_EQ (core.state (20), GateState::Open);
  EXPECT_EQ (core.state (30), GateState::Expired);
  EXPECT_EQ (core.source (), GateSource::Grant);
}

TEST (GateCore, RequiredGrantIsNotReplacedByAWindow)
{
  GateCore core;
  core.set_grant_required (true);
  core.set_window (Interval{0, 100});
  core.set_downstream (Interval{0, 100});
  EXPECT_EQ (core.state (50), GateState::Closed);
  EXPECT_EQ (core.source (), GateSource::None);
  core.set_session ({0, 100}, GateSource::Grant);
  EXPECT_EQ (core.state (50), GateState::Open);
}

TEST (GateCore, RequiredWindowIsNotReplacedByASession)
{
  GateCore core;
  core.set_window_required (true);
  core.set_session ({0, 100}, GateSource::Grant);
  core.set_downstream (Interval{0, 100});
  EXPECT_EQ (core.state (50), GateState::Closed);
  EXPECT_EQ (core.source (), GateSource::None);
  core.set_window (Interval{0, 60});
  EXPECT_EQ (core.state (50), GateState::Open);
  EXPECT_EQ (core.state (60), GateState::Expired);
}

TEST (GateCore, FollowsDownstreamOnlyWithoutItsOwn)
{
  GateCore core;
  core.set_downstream (Interval{0, 100});
  EXPECT_EQ (core.state (50), GateState::Open);
  EXPECT_EQ (core.source (), GateSource::Downstream);
  core.set_downstream (std::nullopt);
  EXPECT_EQ (core.state (50), GateState::Closed);
  core.set_downstream (Interval{0, 100});
  core.set_window (Interval{0, 40});
  EXPECT_EQ (core.state (50), GateState::Expired);
}

TEST (GateCore, ExtendingShorteningAndRevokingCountAtOnce)
{
  GateCore core;
  core.set_session ({0, 100}, GateSource::Signaling);
  EXPECT_EQ (core.state (120), GateState::Expired);
  core.set_session ({0, 200}, GateSource::Signaling);
  EXPECT_EQ (core.state (120), GateState::Open);
  core.set_session ({0, 120}, GateSource::Signaling);
  EXPECT_EQ (core.state (120), GateState::Expired);
  core.set_session ({0, 200}, GateSource::Signaling);
  core.revoke ();
  EXPECT_EQ (core.state (120), GateState::Revoked);
  EXPECT_EQ (core.next_change (120), kNeverNs);
  core.set_session ({0, 200}, GateSource::Signaling);
  EXPECT_EQ (core.state (120), GateState::Open);
}

TEST (GateCore, RevokedStaysShutUntilSomethingNew)
{
  GateCore core;
  core.set_window (Interval{0, 100});
  core.revoke ();
  core.set_grant_required (false);
  core.set_downstream (Interval{0, 100});
  core.set_window (std::nullopt);
  EXPECT_EQ (core.state (50), GateState::Revoked);
  core.set_downstream (Interval{0, 100});
  EXPECT_EQ (core.state (50), GateState::Open);
  core.revoke ();
  core.set_window (Interval{0, 100});
  EXPECT_EQ (core.state (50), GateState::Revoked);
  core.lift_revocation ();
  EXPECT_EQ (core.state (50), GateState::Open);
}

TEST (Anchor, CountsFromTheTimeOfArrival)
{
  // The wall clock said 12:00 (in ms) when the monotonic one said 7 s.
  const Anchor anchor{7 * kSecond, 43200000LL * 1000000};
  EXPECT_EQ (anchor.boot_of (43200000 + 60000), 67 * kSecond);
  EXPECT_EQ (anchor.boot_of (43200000 - 8000), -kSecond);
  EXPECT_EQ (anchor.epoch_ms_at (8 * kSecond), 43201000);
}

TEST (Anchor, FarTimesSaturate)
{
  const Anchor anchor{kSecond, 0};
  EXPECT_EQ (anchor.boot_of (253402300799000), kNeverNs);
  EXPECT_EQ (
      anchor.boot_of (std::numeric_limits<std::int64_t>::max ()), kNeverNs);
  EXPECT_EQ (anchor.boot_of (std::numeric_limits<std::int64_t>::min ()),
      std::numeric_limits<std::int64_t>::min ());
  GateCore core;
  core.set_window (Interval{
      anchor.boot_of (-300 * kYearMs), anchor.boot_of (253402300799000)});
  EXPECT_EQ (core.state (0), GateState::Open);
  GateNews news;
  EXPECT_EQ (news.update (core, 0, 60 * kSecond), Events{Event::Open});
  EXPECT_EQ (news.next (core, 0, 60 * kSecond), kNeverNs);
}

TEST (GateFlow, DropsUntilAKeyUnitAfterEachOpening)
{
  GateFlow flow;
  EXPECT_EQ (flow.decide (GateState::Pending, false), Verdict::Drop);
  EXPECT_EQ (flow.decide (GateState::Open, true), Verdict::Drop);
  EXPECT_TRUE (flow.waits_for_key_unit ());
  EXPECT_EQ (flow.decide (GateState::Open, false), Verdict::PassDiscont);
  EXPECT_FALSE (flow.waits_for_key_unit ());
  EXPECT_EQ (flow.decide (GateState::Open, true), Verdict::Pass);
  for (GateState shut : {GateState::Closed, GateState::Expired,
           GateState::Revoked, GateState::Pending}) {
    EXPECT_EQ (flow.decide (shut, false), Verdict::Drop);
    EXPECT_FALSE (flow.waits_for_key_unit ());
    EXPECT_EQ (flow.decide (GateState::Open, true), Verdict::Drop);
    EXPECT_EQ (flow.decide (GateState::Open, false), Verdict::PassDiscont);
    EXPECT_EQ (flow.decide (GateState::Open, false), Verdict::Pass);
  }
}

TEST (GateFlow, AsksForKeyUnitsAtALimitedRate)
{
  GateFlow flow;
  EXPECT_TRUE (flow.ask_key_unit (0));
  EXPECT_FALSE (flow.ask_key_unit (GateFlow::kKeyUnitInterval - 1));
  EXPECT_TRUE (flow.ask_key_unit (GateFlow::kKeyUnitInterval));
  EXPECT_FALSE (flow.ask_key_unit (GateFlow::kKeyUnitInterval + 1));
}

TEST (GateChain, WhatIsLeftOverEndsWithTheNextEpoch)
{
  GateChain chain;
  EXPECT_FALSE (chain.left_over ());
  chain.begun (1);
  EXPECT_FALSE (chain.left_over ());
  chain.over (1);
  EXPECT_TRUE (chain.left_over ());
  chain.over (1);
  chain.begun (1);
  EXPECT_TRUE (chain.left_over ());
  chain.begun (2);
  EXPECT_FALSE (chain.left_over ());
  // Told late: of an epoch that another has followed.
  chain.over (1);
  EXPECT_FALSE (chain.left_over ());
}

TEST (GateChain, AnEndMayOvertakeItsBeginning)
{
  GateChain chain;
  chain.over (3);
  chain.begun (2);
  chain.begun (3);
  EXPECT_TRUE (chain.left_over ());
  chain.begun (4);
  EXPECT_FALSE (chain.left_over ());
  chain.over (4);
  chain.new_stream ();
  EXPECT_FALSE (chain.left_over ());
}

TEST (GateFlow, ShutFromOutsideBeginsAnew)
{
  GateFlow flow;
  EXPECT_EQ (flow.decide (GateState::Open, false), Verdict::PassDiscont);
  EXPECT_EQ (flow.decide (GateState::Open, true), Verdict::Pass);
  flow.shut ();
  EXPECT_EQ (flow.decide (GateState::Open, true), Verdict::Drop);
  EXPECT_EQ (flow.decide (GateState::Open, false), Verdict::PassDiscont);
}

TEST (GateNews, TellsEachThingOnce)
{
  GateCore core;
  GateNews news;
  const BootNs warning = 60 * kSecond;
  core.set_window (Interval{10 * kSecond, 100 * kSecond});
  EXPECT_EQ (news.update (core, 0, warning), Events{});
  EXPECT_EQ (news.next (core, 0, warning), 10 * kSecond);
  EXPECT_EQ (news.update (core, 10 * kSecond, warning), Events{Event::Open});
  EXPECT_EQ (news.update (core, 11 * kSecond, warning), Events{});
  EXPECT_EQ (news.next (core, 11 * kSecond, warning), 40 * kSecond);
  EXPECT_EQ (
      news.update (core, 40 * kSecond, warning), Events{Event::Expiring});
  EXPECT_EQ (news.update (core, 41 * kSecond, warning), Events{});
  EXPECT_EQ (news.next (core, 41 * kSecond, warning), 100 * kSecond);
  EXPECT_EQ (
      news.update (core, 100 * kSecond, warning), Events{Event::Expired});
  EXPECT_EQ (news.update (core, 101 * kSecond, warning), Events{});
  EXPECT_EQ (news.next (core, 101 * kSecond, warning), kNeverNs);
}

TEST (GateNews, AnExtensionIsToldAndWarnedOfAgain)
{
  GateCore core;
  GateNews news;
  core.set_session ({0, 50 * kSecond}, GateSource::Signaling);
  EXPECT_EQ (news.update (core, 0, 60 * kSecond),
      (Events{Event::Open, Event::Expiring}));
  core.set_session ({0, 100 * kSecond}, GateSource::Signaling);
  EXPECT_EQ (news.update (core, kSecond, 60 * kSecond), Events{Event::Changed});
  EXPECT_EQ (
      news.update (core, 40 * kSecond, 60 * kSecond), Events{Event::Expiring});
  core.revoke ();
  EXPECT_EQ (
      news.update (core, 41 * kSecond, 60 * kSecond), Events{Event::Revoked});
}

TEST (GateNews, AGateThatStartsTooLateIsExpired)
{
  GateCore core;
  GateNews news;
  core.set_window (Interval{0, 10});
  EXPECT_EQ (news.update (core, 20, 5), Events{Event::Expired});
  core.set_window (std::nullopt);
  EXPECT_EQ (news.update (core, 20, 5), Events{});
  core.set_downstream (Interval{0, 100});
  EXPECT_EQ (news.update (core, 21, 5), Events{Event::Open});
  core.set_downstream (std::nullopt);
  EXPECT_EQ (news.update (core, 22, 5), Events{Event::Closed});
}
