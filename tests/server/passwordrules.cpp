// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/auth/passwordrules.hpp"
#include <gtest/gtest.h>

using namespace robotlive::server;

TEST (PasswordRules, TakeWhatNobodyElseHas)
{
  for (const char *good : {"correct horse", "battery staple", "Zug um Zug 7!",
           "k3Jx-92mQ_wLp", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f unter uns",
           "\xe5\xaf\x86\xe7\xa0\x81 blaue Leiter", "purple monkeys sing 1"})
    EXPECT_EQ (password_problem (good, "ada@example.org", "Ada L."), "")
        << good;
  EXPECT_EQ (password_problem (
                 std::string (500, 'x') + "abcd" + std::string (520, 'y')),
      "");
}

TEST (PasswordRules, RefuseTheShortTheCommonAndTheOwnName)
{
  for (const char *bad : {"", "short", "eleven char", "            ",
           "aaaaaaaaaaaaaaaa", "121212121212", "123456789012", "password1234",
           "Password!2024", "PASSWORDpassword", "p@ssw0rdP@ssw0rd",
           "qwertyuiop12", "qwertzuiop!1", "administrator", "Administrator1",
           "iloveyou12345", "letmeinletmein", "changeme-2026",
           "robotlive robot", "welcome-you-123", "ada.lovelace",
           "Ada.Lovelace99!", "ada.lovelace@example.org", "my new password",
           "raspberry 1234", "\xc3\xa4\xc3\xb6\xc3\xbc"})
    EXPECT_NE (
        password_problem (bad, "ada.lovelace@example.org", "Ada Lovelace"), "")
        << bad;
  EXPECT_NE (password_problem ("not\xff UTF-8 at all"), "");
  EXPECT_NE (password_problem (std::string (1025, 'x') + "abcdefgh"), "");
  // Ten characters, more bytes.
  EXPECT_NE (password_problem ("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f unter"), "");
}
