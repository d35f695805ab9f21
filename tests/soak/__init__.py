"""The soak: the core controller under churn, cloud errors and kills, judged from outside."""
