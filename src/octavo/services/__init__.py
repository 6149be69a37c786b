"""What serves all stages: settings, notifications, serving. No stage knows of them."""
