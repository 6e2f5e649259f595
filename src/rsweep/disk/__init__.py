"""What a store holds, who needs it, and what may go."""
