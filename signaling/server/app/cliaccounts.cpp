// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The commands of people, robots and tokens.
#include "server/app/clicontext.hpp"
#include "server/auth/passwordrules.hpp"
#include "server/auth/totp.hpp"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

namespace robotlive::server {

namespace {

std::string
read_line (std::istream &stream)
{
  constexpr std::size_t limit = 65536; // more is no password
  std::string text;
  char c;
  while (text.size () < limit && stream.get (c) && c != '\n')
    text += c;
  if (!text.empty () && text.back () == '\r')
    text.pop_back ();
  return text;
}

// Never an argument: those are in everybody's process list.
std::string
read_password (const CommandLine &line)
{
  std::string file = line.get ("password-file");
  if (!file.empty ()) {
    // Also a pipe, as a shell's <(…): whoever names it is there to see it wait.
    std::ifstream stream (file);
    const std::string text = read_line (stream);
    if (!stream && !stream.eof ())
      throw CommandError (EX_NOINPUT, file + " cannot be read");
    if (text.empty ())
      data_error (file + " is empty");
    return text;
  }
  if (!isatty (STDIN_FILENO))
    return read_line (std::cin);
  termios before{};
  tcgetattr (STDIN_FILENO, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t> (ECHO);
  std::cerr << "Password: " << std::flush;
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &silent);
  std::string password = read_line (std::cin);
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
  std::cerr << std::endl;
  return password;
}

std::string
read_password_hash (const CommandLine &line, const User &user)
{
  std::string password = read_password (line);
  std::string problem = password_problem (password, user.email, user.name);
  if (!problem.empty ())
    data_error (problem);
  std::string hash = hash_password (password);
  if (hash.empty ())
    throw CommandError (EX_OSERR, "not enough memory to hash the password");
  return hash;
}

// Where a secret goes: standard output, or the file of --output, which its
// owner alone may read. Opened before the secret is made, so that none is lost.
class SecretOutput
{
public:
  explicit SecretOutput (const CommandLine &line) : file_ (line.get ("output"))
  {
    if (file_.empty ())
      return;
    fd_ = ::open (file_.c_str (), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
        S_IRUSR | S_IWUSR);
    struct stat status;
    if (fd_ < 0 || fstat (fd_, &status) != 0 || !S_ISREG (status.st_mode))
      fail (fd_ < 0 ? errno : EINVAL);
    // A file that is replaced keeps its owner, and who may read it but
    // strangers.
    if (fchmod (fd_, status.st_mode & (S_IRWXU | S_IRGRP)) != 0)
      fail (errno);
  }
  ~SecretOutput ()
  {
    if (fd_ >= 0)
      ::close (fd_);
  }
  SecretOutput (const SecretOutput &) = delete;
  SecretOutput &operator= (const SecretOutput &) = delete;

  void write (const std::string &secret)
  {
    std::string text = secret + "\n";
    if (file_.empty ()) {
      std::cout << text << std::flush;
      return;
    }
    bool good = ftruncate (fd_, 0) == 0 &&
                ::write (fd_, text.data (), text.size ()) ==
                    static_cast<ssize_t> (text.size ()) &&
                fsync (fd_) == 0;
    if (!good)
      fail (errno);
  }

private:
  [[noreturn]] void fail (int error)
  {
    throw CommandError (EX_CANTCREAT, file_ + ": " + std::strerror (error));
  }
  std::string file_;
  int fd_ = -1;
};

User
find_user (CommandContext &c, const std::string &text)
{
  auto user = text.find ('@') == std::string::npos
                  ? c.store ().user_by_id (text)
                  : c.store ().user_by_email (normal_email (text));
  if (!user)
    throw CommandError (EX_NOUSER, "there is no user " + text);
  return *user;
}

std::string
id_of (const User &user)
{
  return std::to_string (user.id);
}

void
check_role (const std::string &role)
{
  if (role != "viewer" && role != "admin")
    usage_error ("the role is viewer or admin");
}

int
user_add (CommandContext &c)
{
  User user;
  user.email = normal_email (c.line.arguments[0]);
  user.name = c.line.get ("name", c.line.arguments[0].c_str ());
  user.role = c.line.get ("role", "viewer");
  if (user.email.empty ())
    data_error ("that is not an e-mail address");
  check_role (user.role);
  if (!valid_name (user.name))
    data_error ("the name is not usable");
  // Before the password is asked for.
  if (c.store ().user_by_email (user.email))
    throw StoreError (StoreError::Conflict,
        "a user with the e-mail " + user.email + " exists already");
  user.password_hash = read_password_hash (c.line, user);
  user.created_at = wall_now ();
  std::string id = std::to_string (c.store ().add_user (user));
  std::cout << id << std::endl;
  c.did ("user-added", id);
  return EX_OK;
}

void
list_users (CommandContext &c, const std::vector<User> &users)
{
  Table table (
      c.line, {{"ID", "id"}, {"EMAIL", "email"}, {"NAME", "name"},
                  {"ROLE", "role"}, {"STATE", "enabled"},
                  {"CREATED", "created_at"}, {"LAST LOGIN", "last_login"}});
  for (const User &u : users)
    table.number (u.id)
        .cell (u.email)
        .cell (u.name)
        .cell (u.role)
        .flag (u.enabled, "enabled", "disabled")
        .moment (u.created_at, *c.zone)
        .moment (u.last_login, *c.zone);
  table.print ();
}

int
user_password (CommandContext &c, const User &user)
{
  TimeMs now = wall_now ();
  if (!c.line.get ("link").empty ()) {
    SecretOutput output (c.line);
    std::string secret = random_text (32);
    c.store ().add_password_link (secret_hash (secret), id_of (user),
        now + c.config.password_link_ttl_ms);
    output.write (password_link_path (secret));
    c.did ("password-link", id_of (user), {{"password", "link-made"}});
    return EX_OK;
  }
  UserChange change;
  change.password_hash = read_password_hash (c.line, user);
  c.store ().change_user (id_of (user), change, now);
  c.did ("user-password", id_of (user), {{"password", "set"}});
  return EX_OK;
}

int
user_totp (CommandContext &c, const User &user)
{
  const std::string code = c.line.get ("confirm");
  const bool disable = !c.line.get ("disable").empty ();
  if (disable && !code.empty ())
    usage_error ("--confirm or --disable, not both");
  if (disable) {
    c.store ().set_totp (id_of (user), "");
    c.did ("user-totp-disabled", id_of (user));
    return EX_OK;
  }
  if (code.empty ()) {
    SecretOutput output (c.line);
    const std::string secret = new_totp_secret ();
    c.store ().set_totp (id_of (user), secret);
    output.write (totp_uri (secret, user.email));
    std::cerr << "it counts once a code of it is confirmed: "
                 "robotlive-signaling user totp "
              << id_of (user) << " --confirm CODE" << std::endl;
    c.did ("user-totp-made", id_of (user));
    return EX_OK;
  }
  if (user.totp_pending.empty ())
    throw CommandError (EX_NOUSER, "there is nothing to confirm: \"user totp " +
                                       id_of (user) + "\" makes one");
  auto step = totp_step (user.totp_pending, code, wall_now ());
  if (!step)
    data_error ("that is no code of now: are both clocks right?");
  c.store ().confirm_totp (id_of (user), *step);
  c.did ("user-totp-enabled", id_of (user));
  return EX_OK;
}

// All that is kept of a person, for that person.
int
user_export (CommandContext &c, const User &user)
{
  std::cout << c.store ().export_user (id_of (user)) << std::endl;
  c.did ("user-exported", id_of (user));
  return EX_OK;
}

int
change_user (CommandContext &c, const std::string &verb)
{
  const auto &words = c.line.arguments;
  User user = find_user (c, words[0]);
  if (verb == "show")
    return list_users (c, {user}), EX_OK;
  if (verb == "password")
    return user_password (c, user);
  if (verb == "totp")
    return user_totp (c, user);
  if (verb == "export")
    return user_export (c, user);
  TimeMs now = wall_now ();
  if (verb == "remove" || verb == "erase") {
    c.store ().remove_user (id_of (user), now, false, verb == "erase");
    c.did (verb == "erase" ? "user-erased" : "user-removed", id_of (user));
    return EX_OK;
  }
  UserChange change;
  std::string what = "user-" + verb + "d"; // enabled, disabled
  if (verb == "role") {
    check_role (words[1]);
    change.role = words[1];
    what = "user-role-" + words[1];
  } else if (verb == "name") {
    if (!valid_name (words[1]))
      data_error ("the name is not usable");
    change.name = words[1];
    what = "user-renamed";
  } else if (verb == "logout") {
    change.end_logins = true;
    what = "user-logged-out";
  } else {
    change.enabled = verb == "enable";
  }
  c.store ().change_user (id_of (user), change, now);
  if (verb == "logout" || verb == "disable")
    c.did (what.c_str (), id_of (user), {{"revocation", "logins"}});
  else
    c.did (what.c_str (), id_of (user));
  return EX_OK;
}

void
check_robot (const RobotRecord &robot)
{
  if (!valid_robot_id (robot.id))
    data_error ("the robot's id is not usable: letters, digits and . _ - : @ "
                "+ / are");
  if (!robot.type.empty () && !valid_robot_id (robot.type))
    data_error ("the robot's type is not usable: letters, digits and . _ - : "
                "@ + / are");
  if (!robot.name.empty () && !valid_name (robot.name))
    data_error ("the robot's name is not usable");
}

int
robot_add (CommandContext &c)
{
  RobotRecord robot;
  robot.id = c.line.arguments[0];
  robot.type = c.line.get ("type");
  robot.name = c.line.get ("name");
  robot.created_at = wall_now ();
  check_robot (robot);
  if (c.store ().robot (robot.id))
    throw StoreError (
        StoreError::Conflict, "the robot exists already (\"robot token " +
                                  robot.id + "\" makes a new token)");
  SecretOutput output (c.line);
  Identity identity =
      new_identity (robot.id, "robot", robot.created_at, c.config.robot_ttl_ms);
  robot.token_id = identity.token_id;
  std::string token = c.issue (identity);
  c.store ().add_robot (robot, identity.expires_at);
  output.write (token);
  c.did ("robot-added", robot.id, {{"token", "robot"}});
  return EX_OK;
}

int
robot_list (CommandContext &c)
{
  std::map<std::string, TimeMs> ends;
  TimeMs now = wall_now ();
  for (const TokenRecord &t : c.store ().tokens ())
    if (t.role == "robot" && t.revoked_at == 0 && t.ends_at == 0)
      ends[t.subject] = std::max (ends[t.subject], t.expires_at);
  Table table (c.line,
      {{"ID", "id"}, {"TYPE", "type"}, {"NAME", "name"},
          {"TOKEN ENDS", "token_expires_at"}, {"CREATED", "created_at"}});
  for (const RobotRecord &r : c.store ().robots ()) {
    table.cell (r.id).cell (r.type).cell (r.name).moment (ends[r.id], *c.zone);
    table.moment (r.created_at, *c.zone);
    if (ends[r.id] != 0 && ends[r.id] < now + kTokenWarning)
      std::cerr << "warning: the token of " << r.id
                << " ends soon: \"robot token " << r.id << "\" makes a new one"
                << std::endl;
  }
  table.print ();
  return EX_OK;
}

int
robot_rename (CommandContext &c)
{
  RobotRecord robot;
  robot.id = c.line.arguments[0];
  robot.type = c.line.get ("type");
  robot.name = c.line.arguments.size () > 1 ? c.line.arguments[1] : "";
  if (c.line.arguments.size () < 2 && robot.type.empty ())
    usage_error ("a name or --type is needed");
  // One that an earlier version took may be renamed all the same.
  RobotRecord checked = robot;
  checked.id = "x";
  check_robot (checked);
  auto name = c.line.arguments.size () > 1
                  ? std::optional<std::string> (robot.name)
                  : std::nullopt;
  auto type = robot.type.empty () ? std::nullopt
                                  : std::optional<std::string> (robot.type);
  c.store ().change_robot (robot.id, name, type);
  c.did ("robot-changed", robot.id);
  return EX_OK;
}

int
robot_remove (CommandContext &c)
{
  const std::string &id = c.line.arguments[0];
  c.store ().remove_robot (id, wall_now ());
  c.did ("robot-removed", id, {{"revocation", "robot"}});
  return EX_OK;
}

// A new token; the others end at once, or with --replace-in later.
int
robot_token (CommandContext &c)
{
  const std::string &id = c.line.arguments[0];
  TimeMs now = wall_now ();
  std::string text = c.line.get ("replace-in");
  auto overlap =
      text.empty () ? std::optional<TimeMs> (0) : parse_duration (text);
  if (!overlap)
    usage_error ("--replace-in is not a duration like 24h");
  if (!c.line.get ("revoke").empty ()) {
    // Also of a robot that the store does not know.
    c.records ().revoke_subject (true, id, now);
    c.did ("robot-tokens-revoked", id, {{"revocation", "robot"}});
    return EX_OK;
  }
  if (!c.store ().robot (id))
    throw StoreError (StoreError::NotFound,
        "there is no robot " + id + " (\"robot add " + id + "\" makes one)");
  SecretOutput output (c.line);
  Identity identity = new_identity (id, "robot", now, c.config.robot_ttl_ms);
  std::string token = c.issue (identity);
  c.store ().set_robot_token (id, identity.token_id, now, identity.expires_at,
      *overlap > 0 ? now + *overlap : 0);
  output.write (token);
  c.did ("robot-token-issued", id, {{"token", "robot"}});
  return EX_OK;
}

int
token (CommandContext &c)
{
  std::string role = c.line.get ("role");
  std::string subject = c.line.get ("sub");
  auto ttl = parse_duration (c.line.get ("ttl", "1h"));
  if (role != "robot" && role != "viewer" && role != "admin")
    usage_error ("--role is robot, viewer or admin");
  if (role != "robot" && subject.find ('@') != std::string::npos)
    subject = id_of (find_user (c, subject));
  if (!valid_id (subject))
    usage_error ("--sub is needed");
  if (!ttl)
    usage_error ("--ttl is not a duration like 30m or 1h");
  SecretOutput output (c.line);
  Identity identity = new_identity (subject, role, wall_now (), *ttl);
  if (role != "robot" && !console_url (c.config.database)) {
    auto user = c.store ().user_by_id (subject);
    if (user)
      identity.epoch = user->valid_from;
    if (user && user->role != role)
      std::cerr << "warning: the account " << subject << " is a " << user->role
                << "'s, and so will the token be" << std::endl;
    else if (!user && !c.config.trust_unknown_subjects)
      std::cerr << "warning: there is no account " << subject
                << " (user add), so the server takes the token for nobody's"
                << std::endl;
  }
  // It counts beside the robot's others, and can be listed and revoked.
  std::string text = c.issue (identity);
  c.records ().add_token ({identity.token_id, subject, role, identity.issued_at,
      identity.expires_at, 0, 0});
  output.write (text);
  c.did ("token-issued", subject, {{"token", role.c_str ()}});
  return EX_OK;
}

int
token_list (CommandContext &c)
{
  auto names = names_of_users (c);
  std::string only = c.line.get ("sub");
  TimeMs now = wall_now ();
  Table table (c.line,
      {{"ID", "id"}, {"ROLE", "role"}, {"FOR", "sub"}, {"NAME", "name"},
          {"ISSUED", "issued_at"}, {"ENDS", "ends_at"}, {"STATE", "state"}});
  for (const TokenRecord &t : c.records ().tokens (only)) {
    bool person = t.role != "robot" && names.count (t.subject);
    TimeMs ends = t.ends_at != 0 ? t.ends_at : t.expires_at;
    const char *state = t.revoked_at != 0          ? "revoked"
                        : ends != 0 && ends <= now ? "ended"
                        : t.ends_at != 0           ? "replaced"
                                                   : "valid";
    table.cell (t.id).cell (t.role).cell (t.subject);
    table.cell (person ? names[t.subject] : "").moment (t.issued_at, *c.zone);
    table.moment (ends, *c.zone).cell (state);
  }
  table.print ();
  return EX_OK;
}

int
token_revoke (CommandContext &c)
{
  const std::string &id = c.line.arguments[0];
  if (std::count (id.begin (), id.end (), '.') == 2)
    usage_error ("the token's id is wanted, not the token (token list)");
  if (!c.records ().revoke_token (id, wall_now ()))
    std::cerr << "warning: no token with this id was issued here; it is "
                 "refused from now on"
              << std::endl;
  c.did ("token-revoked", id, {{"revocation", "token"}});
  return EX_OK;
}

} // namespace

std::optional<int>
run_account_command (CommandContext &c)
{
  const std::string &name = c.line.command;
  if (name == "user add")
    return user_add (c);
  if (name == "user list")
    return list_users (c, c.store ().users ()), EX_OK;
  if (name.rfind ("user ", 0) == 0)
    return change_user (c, name.substr (5));
  if (name == "robot add")
    return robot_add (c);
  if (name == "robot list")
    return robot_list (c);
  if (name == "robot rename")
    return robot_rename (c);
  if (name == "robot remove")
    return robot_remove (c);
  if (name == "robot token")
    return robot_token (c);
  if (name == "token")
    return token (c);
  if (name == "token list")
    return token_list (c);
  if (name == "token revoke")
    return token_revoke (c);
  return std::nullopt;
}

} // namespace robotlive::server
