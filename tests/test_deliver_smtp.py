"""The connection to the relay: a real server answers, refuses, hangs up, and wants TLS and passwords."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from newsletter.deliver.relay import Relay, Tls
from newsletter.deliver.smtp import Reply, Session
from newsletter.deliver.wire import MAX_REPLY
from newsletter.errors import DeliveryError
from tests.support.mailserver import MailServer, make_certificate

SENDER = "report@security.meridian.example"
READER = "reader@example.org"
MESSAGE = b"Subject: x\r\n\r\n.\r\n..two\r\nend\r\n"


def relay_of(server: MailServer, **options) -> Relay:
    """How to reach it; without TLS unless said."""
    values = {"host": server.host, "port": server.port, "tls": Tls.NONE, "timeout_seconds": 10.0} | options
    return Relay(**values)


# --- letters --------------------------------------------------------------------------------------------------


def test_a_letter_arrives_byte_for_byte(mailserver):
    """Envelope and text, leading dots included."""
    with Session(relay_of(mailserver)) as session:
        reply = session.send(SENDER, READER, MESSAGE)
    assert reply.accepted
    assert str(reply) == "250 2.0.0 Ok: queued as 000001"
    (mail,) = mailserver.mails
    assert (mail.sender, mail.recipient, mail.content, mail.tls) == (SENDER, READER, MESSAGE, False)


def test_one_connection_is_kept_for_many_letters(mailserver):
    """Also after one that was refused."""
    with Session(relay_of(mailserver)) as session:
        assert session.send(SENDER, READER, MESSAGE).accepted
        mailserver.reply_next("550 5.1.1 no such user")
        assert not session.send(SENDER, READER, MESSAGE).accepted
        mailserver.reply_next("554 5.7.1 no", at="DATA")
        assert not session.send(SENDER, READER, MESSAGE).accepted
        assert session.send(SENDER, READER, MESSAGE).accepted
    assert mailserver.connections == 1


def test_nobody_is_called_when_there_is_nothing_to_send(mailserver):
    """The first letter opens the connection."""
    with Session(relay_of(mailserver)):
        pass
    assert mailserver.connections == 0


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
@pytest.mark.parametrize(
    ("said", "transient"),
    [
        ("450 4.2.0 later", True),
        ("452 full", True),
        ("550 5.1.1 no such user", False),
        ("554 no", False),
        ("550 4.2.2 mailbox full today", True),  # the enhanced code is kinder, and it is the one that knows
        ("450 5.1.1 confused", True),
        ("421 4.3.2 closing", True),
    ],
)
def test_refusals_say_whether_trying_again_helps(mailserver, stage, said, transient):
    """4xx later, 5xx never; nothing was taken."""
    mailserver.reply_next(said, at=stage)
    with Session(relay_of(mailserver)) as session:
        reply = session.send(SENDER, READER, MESSAGE)
    assert (reply.accepted, reply.transient, str(reply)) == (False, transient, said)
    assert mailserver.mails == ()


def test_a_relay_that_closes_is_called_again_for_the_next_letter(mailserver):
    """421 ends the connection, whatever the letter."""
    with Session(relay_of(mailserver)) as session:
        mailserver.reply_next("421 4.3.2 restarting", at="DATA")
        assert session.send(SENDER, READER, MESSAGE).transient
        assert session.send(SENDER, READER, MESSAGE).accepted
    assert mailserver.connections == 2


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "REPLY"])
def test_a_lost_connection_is_an_uncertain_letter_and_no_crash(mailserver, stage):
    """Tried again later; whether it was taken the relay alone knows (RFC 1047)."""
    mailserver.drop_next(stage)
    with Session(relay_of(mailserver)) as session:
        reply = session.send(SENDER, READER, MESSAGE)
        assert (reply.accepted, reply.transient, reply.enhanced) == (False, True, "4.4.2")
        assert "the connection was lost" in str(reply)
        assert len(mailserver.mails) == (1 if stage == "REPLY" else 0)
        assert session.send(SENDER, READER, MESSAGE).accepted


@pytest.mark.parametrize("stage", ["MAIL", "RCPT"])
def test_a_kept_connection_that_has_died_meanwhile_costs_no_letter(mailserver, stage):
    """Before the text left nothing can be taken twice, so the letter goes at once through a new connection."""
    with Session(relay_of(mailserver)) as session:
        assert session.send(SENDER, READER, MESSAGE).accepted
        mailserver.drop_next(stage)
        assert session.send(SENDER, READER, MESSAGE).accepted
        mailserver.reply_next("421 4.7.0 too many letters on this connection", at=stage)
        assert session.send(SENDER, READER, MESSAGE).accepted
    assert mailserver.connections == 3
    assert len(mailserver.mails) == 3


def test_a_letter_whose_text_has_left_is_never_sent_again_by_itself(mailserver):
    """On a kept connection as on a new one: that would be the second copy."""
    with Session(relay_of(mailserver)) as session:
        assert session.send(SENDER, READER, MESSAGE).accepted
        mailserver.drop_next("REPLY")
        assert session.send(SENDER, READER, MESSAGE).transient
    assert len(mailserver.mails) == 2


@pytest.mark.parametrize("said", ["hello", "25", "999 what", "354 go on", "503 5.5.1 need MAIL command"])
def test_an_answer_that_makes_no_sense_decides_nothing(mailserver, said):
    """Not taken, not refused; and the connection is not used any more."""
    mailserver.reply_next(said)
    with Session(relay_of(mailserver)) as session:
        reply = session.send(SENDER, READER, MESSAGE)
        assert (reply.accepted, reply.transient) == (False, True)
        assert session.send(SENDER, READER, MESSAGE).accepted
    assert mailserver.connections == 2


def test_what_is_kept_of_a_reply_names_nobody_and_has_an_end(mailserver):
    """The ledger and the log hold numbers of people, not addresses."""
    mailserver.reply_next(f"550 5.1.1 <{READER.upper()}>: unknown; ask \x1b[31m{READER} " + "x" * 400)
    with Session(relay_of(mailserver)) as session:
        reply = session.send(SENDER, READER, MESSAGE)
    assert reply.enhanced == "5.1.1"
    assert reply.text.startswith("5.1.1 <(recipient)>: unknown; ask [31m(recipient) xxx")
    assert len(reply.text) == MAX_REPLY


def test_what_is_no_address_is_never_said_to_a_relay(mailserver):
    """A line break in an address would be a command."""
    with Session(relay_of(mailserver)) as session, pytest.raises(ValueError, match="cannot stand"):
        session.send(SENDER, "a@b.org>\r\nRCPT TO:<evil@example.net", MESSAGE)
    assert mailserver.connections == 0


# --- a relay that cannot be used ------------------------------------------------------------------------------


def test_a_relay_that_is_away_is_no_fault_of_any_letter(mailserver):
    """Trying again helps."""
    relay = relay_of(mailserver)
    mailserver.stop()
    with Session(relay) as session, pytest.raises(DeliveryError, match="cannot be reached: Connection refused") as told:
        session.send(SENDER, READER, MESSAGE)
    assert not told.value.permanent


def test_a_relay_that_goes_away_between_two_letters(mailserver):
    """The letter in hand was not handed over: the error says so."""
    with Session(relay_of(mailserver)) as session:
        assert session.send(SENDER, READER, MESSAGE).accepted
        mailserver.stop()
        with pytest.raises(DeliveryError, match="cannot be reached"):
            session.send(SENDER, READER, MESSAGE)


@pytest.mark.parametrize("said", ["530 5.7.0 Authentication required", "550 5.7.1 sender not allowed"])
def test_a_relay_that_refuses_us_refuses_no_reader(mailserver, said):
    """It has not heard of the reader yet; marking everybody as refused would be the worst of all mistakes."""
    mailserver.reply_next(said, at="MAIL")
    with Session(relay_of(mailserver)) as session, pytest.raises(DeliveryError, match="refuses our sender") as told:
        session.send(SENDER, READER, MESSAGE)
    assert told.value.permanent


def test_a_relay_that_wants_a_password_refuses_no_reader(mailserver):
    """Some ask for it only when they hear the recipient."""
    mailserver.reply_next("530 5.7.0 Authentication required")
    with Session(relay_of(mailserver)) as session, pytest.raises(DeliveryError, match="wants a user name") as told:
        session.send(SENDER, READER, MESSAGE)
    assert told.value.permanent


@pytest.mark.parametrize("said", ["hello", "999 what", "354 go on"])
def test_an_answer_to_the_text_that_makes_no_sense_is_no_acceptance(mailserver, said):
    """Nobody knows whether it was taken: as with a lost connection."""
    mailserver.reply_next(said, at="DATA")
    with Session(relay_of(mailserver)) as session:
        reply = session.send(SENDER, READER, MESSAGE)
    assert (reply.accepted, reply.transient, reply.enhanced) == (False, True, "4.4.2")


def test_a_relay_that_is_busy_at_the_first_command_defers_the_letter(mailserver):
    """450 to MAIL FROM: later."""
    mailserver.reply_next("451 4.3.0 out of memory", at="MAIL")
    with Session(relay_of(mailserver)) as session:
        assert session.send(SENDER, READER, MESSAGE).transient


# --- TLS and passwords ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_letters_travel_encrypted_to_a_relay_that_we_trust(certificate, tls, host):
    """STARTTLS and implicit TLS, by name or by number, with user and password."""
    with MailServer(tls=tls, certificate=certificate, users={"news": "s3cret"}) as server:
        relay = relay_of(
            server, host=host, tls=Tls(tls), ca_file=str(certificate.path), username="news", password="s3cret"
        )
        with Session(relay) as session:
            assert session.send(SENDER, READER, MESSAGE).accepted
    (mail,) = server.mails
    assert (mail.tls, mail.user) == (True, "news")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_nobody_vouches_for_is_refused(certificate, tls):
    """Nothing is sent; the message says how to mend it."""
    with MailServer(tls=tls, certificate=certificate) as server:
        relay = relay_of(server, tls=Tls(tls))
        with Session(relay) as session, pytest.raises(DeliveryError, match=r"not trusted: .*relay\.ca_file") as told:
            session.send(SENDER, READER, MESSAGE)
    assert told.value.permanent
    assert server.mails == ()


def test_a_certificate_of_another_host_is_refused(tmp_path):
    """Trusting its maker is not enough."""
    other = make_certificate(tmp_path, "DNS:mail.example.net")
    with MailServer(tls="starttls", certificate=other) as server:
        relay = relay_of(server, tls=Tls.STARTTLS, ca_file=str(other.path))
        with Session(relay) as session, pytest.raises(DeliveryError, match=r"not trusted: .*not valid for '127"):
            session.send(SENDER, READER, MESSAGE)
    assert server.mails == ()


def test_without_the_starttls_that_is_demanded_nothing_is_sent(mailserver):
    """No silent fall-back to clear text, which is what an attacker in between would wish for."""
    relay = relay_of(mailserver, tls=Tls.STARTTLS)
    with Session(relay) as session, pytest.raises(DeliveryError, match="offers no STARTTLS") as told:
        session.send(SENDER, READER, MESSAGE)
    assert told.value.permanent
    assert mailserver.mails == ()


def test_a_wrong_password_is_said_so_and_not_shown(certificate):
    """Permanent until somebody mends the settings."""
    with MailServer(tls="starttls", certificate=certificate, users={"news": "s3cret"}) as server:
        relay = relay_of(server, tls=Tls.STARTTLS, ca_file=str(certificate.path), username="news", password="wr0ng")
        with (
            Session(relay) as session,
            pytest.raises(DeliveryError, match="does not accept user name and password") as told,
        ):
            session.send(SENDER, READER, MESSAGE)
    assert told.value.permanent
    assert "wr0ng" not in str(told.value)
    assert "wr0ng" not in repr(relay)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tls": Tls.NONE}, "no password is sent without TLS"),
        ({"password": "s3cr\u00e9t"}, "must be ASCII"),
        ({"ca_file": "/nowhere/ca.pem"}, r"relay\.ca_file: /nowhere/ca\.pem cannot be used"),
    ],
)
def test_settings_that_cannot_work_are_named(certificate, changes, words):
    """Before anything leaves."""
    with MailServer(tls="starttls", certificate=certificate, users={"news": "s3cret"}) as server:
        good = relay_of(server, tls=Tls.STARTTLS, ca_file=str(certificate.path), username="news", password="s3cret")
        with Session(replace(good, **changes)) as session, pytest.raises(DeliveryError, match=words) as told:
            session.send(SENDER, READER, MESSAGE)
    assert told.value.permanent
    assert server.mails == ()


def test_a_relay_without_log_in_is_named(certificate):
    """The settings name a user, but there is nowhere to log in."""
    with MailServer(tls="starttls", certificate=certificate) as server:
        relay = relay_of(server, tls=Tls.STARTTLS, ca_file=str(certificate.path), username="news", password="s3cret")
        with Session(relay) as session, pytest.raises(DeliveryError, match="offers no log-in"):
            session.send(SENDER, READER, MESSAGE)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"554 5.3.2 not today\r\n", "does not want to talk to us: 554 5.3.2 not today"),
        (b"", "does not want to talk to us: Connection unexpectedly closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not want to talk to us: the answer is not SMTP"),
    ],
)
def test_a_server_that_does_not_want_us_is_named(greeting, words):
    """At the first word; trying again may help."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet():
            client, _ = listening.accept()
            with client:
                client.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        relay = Relay(host="127.0.0.1", port=listening.getsockname()[1], tls=Tls.NONE, timeout_seconds=20.0)
        with Session(relay) as session, pytest.raises(DeliveryError, match=words) as told:
            session.send(SENDER, READER, MESSAGE)
        thread.join()
    assert not told.value.permanent


def test_a_server_of_another_kind_is_no_relay(mailserver):
    """Implicit TLS where none is spoken: an error in time, not a hang."""
    relay = relay_of(mailserver, tls=Tls.IMPLICIT, timeout_seconds=5.0)
    with Session(relay) as session, pytest.raises(DeliveryError, match="cannot be reached"):
        session.send(SENDER, READER, MESSAGE)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(250, "2.0.0", "2.0.0 ok"), (True, False, False)),
        (Reply(0, "4.4.2", "4.4.2 lost"), (False, True, True)),
        (Reply(421, "", "bye"), (False, True, True)),
        (Reply(550, "5.1.1", "no"), (False, False, False)),
    ],
)
def test_what_a_reply_means(reply, expected):
    """Accepted, worth another try, and whether the connection is of use."""
    assert (reply.accepted, reply.transient, reply.closing) == expected
