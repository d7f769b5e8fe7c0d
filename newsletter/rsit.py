"""Reference Security Incident Taxonomy, version 1003 (ENISA and TF-CSIRT, CC0).

The first level is mandatory, the second desired; a record may carry several, and figures count the main one.
"""

from __future__ import annotations

from typing import Final

# class -> (its name, {type: its name}); names are catalogue keys, so templates translate them.
TAXONOMY: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "abusive-content": (
        "Abusive Content",
        {
            "spam": "Spam",
            "harmful-speech": "Harmful Speech",
            "violence": "(Child) Sexual Exploitation/Sexual/Violent Content",
        },
    ),
    "malicious-code": (
        "Malicious Code",
        {
            "infected-system": "Infected System",
            "c2-server": "C2 Server",
            "malware-distribution": "Malware Distribution",
            "malware-configuration": "Malware Configuration",
        },
    ),
    "information-gathering": (
        "Information Gathering",
        {"scanner": "Scanning", "sniffing": "Sniffing", "social-engineering": "Social Engineering"},
    ),
    "intrusion-attempts": (
        "Intrusion Attempts",
        {
            "ids-alert": "Exploitation of Known Vulnerabilities",
            "brute-force": "Login Attempts",
            "exploit": "New Attack Signature",
        },
    ),
    "intrusions": (
        "Intrusions",
        {
            "privileged-account-compromise": "Privileged Account Compromise",
            "unprivileged-account-compromise": "Unprivileged Account Compromise",
            "application-compromise": "Application Compromise",
            "system-compromise": "System Compromise",
            "burglary": "Burglary",
        },
    ),
    "availability": (
        "Availability",
        {
            "dos": "Denial of Service",
            "ddos": "Distributed Denial of Service",
            "misconfiguration": "Misconfiguration",
            "sabotage": "Sabotage",
            "outage": "Outage",
        },
    ),
    "information-content-security": (
        "Information Content Security",
        {
            "unauthorised-information-access": "Unauthorised Access to Information",
            "unauthorised-information-modification": "Unauthorised Modification of Information",
            "data-loss": "Data Loss",
            "data-leak": "Leak of Confidential Information",
        },
    ),
    "fraud": (
        "Fraud",
        {
            "unauthorised-use-of-resources": "Unauthorised Use of Resources",
            "copyright": "Copyright",
            "masquerade": "Masquerade",
            "phishing": "Phishing",
        },
    ),
    "vulnerable": (
        "Vulnerable",
        {
            "weak-crypto": "Weak Cryptography",
            "ddos-amplifier": "DDoS Amplifier",
            "potentially-unwanted-accessible": "Potentially Unwanted Accessible Services",
            "information-disclosure": "Information Disclosure",
            "vulnerable-system": "Vulnerable System",
        },
    ),
    "other": ("Other", {"other": "Uncategorised", "undetermined": "Undetermined"}),
    "test": ("Test", {"test": "Test"}),
}
