// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/window.hpp"
#include <gtest/gtest.h>

using namespace robotlive;

TEST (Window, IsHalfOpen)
{
  const Window window{1000, 2000};
  EXPECT_EQ (window.state (999), WindowState::Pending);
  EXPECT_EQ (window.state (1000), WindowState::Open);
  EXPECT_EQ (window.state (1999), WindowState::Open);
  EXPECT_EQ (window.state (2000), WindowState::Over);
}

TEST (Window, SaysWhenItChanges)
{
  const Window window{1000, 2000};
  EXPECT_EQ (window.next_change (0), 1000);
  EXPECT_EQ (window.next_change (1000), 2000);
  EXPECT_EQ (window.next_change (1999), 2000);
  EXPECT_EQ (window.next_change (2000), kNever);
}

TEST (Window, EmptyOrReversedNeverOpens)
{
  for (const Window &window : {Window{5, 5}, Window{9, 5}}) {
    for (TimeMs now = 0; now < 12; ++now) {
      EXPECT_EQ (window.state (now), WindowState::Over);
      EXPECT_EQ (window.next_change (now), kNever);
    }
    EXPECT_FALSE (window.overlaps ({0, 100}));
    EXPECT_FALSE (Window ({0, 100}).overlaps (window));
  }
}

TEST (Window, NeighboursDoNotOverlap)
{
  const Window first{0, 10}, second{10, 20};
  EXPECT_FALSE (first.overlaps (second));
  EXPECT_FALSE (second.overlaps (first));
  EXPECT_TRUE (first.overlaps ({9, 11}));
  EXPECT_TRUE (first.overlaps ({2, 3}));
  EXPECT_TRUE (Window ({2, 3}).overlaps (first));
  EXPECT_TRUE (first.overlaps (first));
}
