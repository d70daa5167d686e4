// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an operator meets: the configuration's sample, keys and passwords, and
// the log.
#include "server/app/config.hpp"
#include "server/app/log.hpp"
#include "server/auth/identity.hpp"
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <glib.h>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

using namespace robotlive;
using namespace robotlive::server;

namespace {

struct Key
{
  std::string group, line;
  std::string name () const
  {
    return group + "/" + line.substr (0, line.find ('='));
  }
};

// The keys of the sample, each a comment like "#key=value".
std::vector<Key>
sample_keys ()
{
  std::ifstream file (SAMPLE_CONF);
  EXPECT_TRUE (file) << SAMPLE_CONF;
  std::vector<Key> keys;
  std::string text, group;
  while (std::getline (file, text)) {
    if (text.size () > 2 && text[0] == '[')
      group = text.substr (1, text.find (']') - 1);
    std::size_t equals = text.find ('=');
    bool key = text.size () > 1 && text[0] == '#' && text[1] != ' ' &&
               equals != std::string::npos;
    if (key)
      keys.push_back ({group, text.substr (1)});
  }
  return keys;
}

TEST (Configuration, TheSampleNamesEveryKeyAndNoOther)
{
  std::set<std::string> named;
  for (const Key &key : sample_keys ())
    EXPECT_TRUE (named.insert (key.name ()).second) << key.name () << " twice";
  EXPECT_EQ (named, config_keys ());
  EXPECT_GT (named.size (), 30u);
}

// What editors add to a file; what cannot be taken is named.
TEST (Configuration, TakesWhatWasPasted)
{
  gchar *name = nullptr;
  close (g_file_open_tmp ("robotlive-XXXXXX", &name, nullptr));
  const std::string path = name;
  g_free (name);
  const auto write = [&] (const std::string &text) {
    std::ofstream (path, std::ios::binary) << text;
  };
  write ("\xEF\xBB\xBF[server]\r\nlisten=\"127.0.0.1:1\"  \r\n"
         "[ice]\r\nstun-urls='stun:a.example:1'\r\n");
  const Config config = load_config (path);
  ASSERT_EQ (config.listen.size (), 1u);
  EXPECT_EQ (config.listen[0].port, 1);
  EXPECT_EQ (config.stun_urls, std::vector<std::string>{"stun:a.example:1"});
  const auto complaint = [&] (auto read) -> std::string {
    try {
      read (path);
    } catch (const ConfigError &error) {
      return error.what ();
    }
    return "";
  };
  const std::string utf16 ("\xFF\xFE[\0s\0", 6);
  write (utf16);
  EXPECT_NE (
      complaint (load_config).find (path + " is UTF-16"), std::string::npos);
  EXPECT_NE (complaint (read_secret_file).find ("UTF-16"), std::string::npos);
  write ("\xEF\xBB\xBFthe secret\r\n");
  EXPECT_EQ (read_secret_file (path), "the secret");
  for (const char *blank : {"secret \n", " secret", "secret\t\r\n"}) {
    write (blank);
    EXPECT_NE (complaint (read_secret_file).find ("blank"), std::string::npos);
  }
  write ("\xEF\xBB\xBF\r\n");
  EXPECT_NE (complaint (read_secret_file).find ("empty"), std::string::npos);
  unlink (path.c_str ());
}

TEST (Configuration, EveryValueOfTheSampleIsGood)
{
  gchar *name = nullptr;
  close (g_file_open_tmp ("robotlive-XXXXXX", &name, nullptr));
  const std::string path = name;
  g_free (name);
  auto load = [&] (const std::string &text) -> std::string {
    std::ofstream (path) << text;
    try {
      load_config (path);
      return "";
    } catch (const ConfigError &error) {
      return error.what ();
    }
  };
  for (const Key &key : sample_keys ()) {
    std::string text = "[" + key.group + "]\n" + key.line + "\n";
    if (key.name () == "ice/turn-urls") // they go together
      text += "turn-secret-file=/nowhere\n";
    EXPECT_EQ (load (text), "") << text;
  }
  EXPECT_NE (load ("[server]\nlog-level=loud\n").find ("log-level"),
      std::string::npos);
  EXPECT_NE (load ("[identity]\nleeway=61s\n").find ("at most 60s"),
      std::string::npos);
  EXPECT_NE (
      load ("[console]\ntimeout=2m\n").find ("at most 60s"), std::string::npos);
  unlink (path.c_str ());
}

TEST (Password, IsKeptByAHashThatNeedsMemory)
{
  const std::string password = "correct horse";
  const std::string hash = hash_password (password);
  EXPECT_EQ (hash.find ("$argon2id$v=19$m=65536,t=2,p=1$"), 0u) << hash; // kB
  EXPECT_NE (hash, hash_password (password)) << "each has its salt";
  EXPECT_TRUE (check_password (hash, password));
  for (const std::string &wrong : {std::string (), password + " ", hash})
    EXPECT_FALSE (check_password (hash, wrong)) << wrong;
  for (const std::string &no_hash :
      {std::string (), password, hash.substr (0, hash.size () - 1)})
    EXPECT_FALSE (check_password (no_hash, password)) << no_hash;
}

// The algorithm is that of the key, whatever a token says of itself.
TEST (Keys, OfAnIssuerElsewhereCheckItsTokensAndNoOthers)
{
  char folder[] = "/tmp/robotlive-keys-XXXXXX";
  ASSERT_TRUE (mkdtemp (folder));
  const JwtKey issuer = JwtKey::generate_es256 ();
  Config config;
  config.public_key_file = std::string (folder) + "/public.pem";
  config.grant_key_file = std::string (folder) + "/grant.pem";
  std::ofstream (config.public_key_file) << issuer.public_pem ();
  std::ofstream (config.grant_key_file)
      << JwtKey::generate_es256 ().private_pem ();
  const Keys keys = Keys::load (config, nullptr);
  EXPECT_FALSE (keys.can_issue ());
  const Identity identity = new_identity ("7", "viewer", 1000, 60000);
  auto check = [&] (const JwtKey &signer, TimeMs now) {
    Identity out;
    return keys.check (
        JwtCodec::sign_identity (signer, identity, {}), now, &out);
  };
  EXPECT_EQ (check (issuer, 2000), TokenError::None);
  EXPECT_EQ (check (issuer, 200000), TokenError::Expired);
  EXPECT_NE (check (JwtKey::generate_es256 (), 2000), TokenError::None);
  const auto forged = JwtKey::from_secret (issuer.public_pem ());
  ASSERT_TRUE (forged);
  EXPECT_NE (check (*forged, 2000), TokenError::None);
  config.issuer = "console";
  config.audience = "robots";
  const Keys strict = Keys::load (config, nullptr);
  for (auto [policy, error] :
      {std::pair (TokenPolicy{"console", "robots", 0}, TokenError::None),
          std::pair (
              TokenPolicy{"other", "robots", 0}, TokenError::WrongIssuer),
          std::pair (
              TokenPolicy{"console", "other", 0}, TokenError::WrongAudience)}) {
    Identity out;
    EXPECT_EQ (strict.check (JwtCodec::sign_identity (issuer, identity, policy),
                   2000, &out),
        error);
  }
  std::filesystem::remove_all (folder);
}

struct Lines
{
  std::vector<std::string> list;
  Log log{LogLevel::Info,
      [this] (const std::string &line) { list.push_back (line); }};
};

TEST (Log, WritesOneLineWhateverAPeerSends)
{
  Lines lines;
  const std::string hostile = "x\nlevel=info event=session-admitted";
  lines.log.write (LogLevel::Warning, "refused",
      {{"code", "forbidden"}, {"user", ""}, {"to", hostile},
          {"message", "a\"b\\c\xff"}, {"address", std::string (4000, 'a')}});
  ASSERT_EQ (lines.list.size (), 1u);
  const std::string &line = lines.list[0];
  EXPECT_EQ (line.find ("level=warning event=refused code=forbidden "
                        "to=\"x\\nlevel=info event=session-admitted\" "),
      0u)
      << line;
  EXPECT_EQ (line.find ('\n'), std::string::npos);
  EXPECT_EQ (line.find ("user="), std::string::npos);
  EXPECT_LT (line.size (), 600u);
}

TEST (Log, ShowsWhatATerminalWouldObeyOrHide)
{
  for (const char *hostile :
      {"\u009b2J", "\u0085x", "a\u202etxt.exe", "\u2066x\u2069",
          "a\u2028level=info", "a\u2029b", "\u200bx", "\ufeffx", "\u061cx"}) {
    Lines lines;
    lines.log.write (LogLevel::Warning, "refused", {{"to", hostile}});
    ASSERT_EQ (lines.list.size (), 1u);
    for (unsigned char c : lines.list[0])
      EXPECT_TRUE (c >= 0x20 && c < 0x7f) << lines.list[0];
    EXPECT_NE (lines.list[0].find ("\\u"), std::string::npos);
  }
  Lines lines;
  lines.log.write (
      LogLevel::Warning, "refused", {{"to", "M\u00fcnchen \U0001f600"}});
  EXPECT_NE (lines.list[0].find ("M\u00fcnchen"), std::string::npos);
}

TEST (Log, LeavesOutWhatIsBelowItsLevel)
{
  Lines lines;
  lines.log.write (LogLevel::Debug, "a");
  lines.log.limited (LogLevel::Debug, "b", {});
  EXPECT_TRUE (lines.list.empty ());
  lines.log.set_level (LogLevel::Error);
  lines.log.write (LogLevel::Warning, "c");
  lines.log.write (LogLevel::Error, "d");
  EXPECT_EQ (lines.list, std::vector<std::string> ({"level=error event=d"}));
  EXPECT_EQ (log_level ("debug"), LogLevel::Debug);
  EXPECT_FALSE (log_level ("Debug"));
}

TEST (Log, CannotBeFloodedAndCountsWhatItLeftOut)
{
  Lines lines;
  for (int i = 0; i < 1000; ++i)
    lines.log.limited (LogLevel::Warning, "login-failed", {});
  lines.log.limited (LogLevel::Warning, "refused", {}); // has its own share
  EXPECT_EQ (lines.list.back (), "level=warning event=refused");
  // A slow machine needs more than a second for a thousand, but not 25.
  EXPECT_LT (lines.list.size (), 500u);
  g_usleep (1100 * 1000);
  lines.log.limited (LogLevel::Warning, "login-failed", {});
  EXPECT_NE (lines.list.back ().find (" left-out="), std::string::npos);
}

} // namespace
