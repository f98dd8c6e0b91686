"""What a table is asked, wherever its rows are: in memory, in files, in an engine; and two tables side by side."""
