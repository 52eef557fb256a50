"""What a scientist sees: applications of real jobs in a real browser, through a gateway's outer address."""
