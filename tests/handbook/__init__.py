"""The Fraud Detection Handbook's payments: its features as a definition, and its protocols."""
