"""What tests share: polling a condition with a deadline, starting real parts."""
